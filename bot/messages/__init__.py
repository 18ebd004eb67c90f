"""All Markdown that the bot writes. Pure: facts in, text out; no other module builds Markdown.

`markdown` makes foreign text harmless; `progress` and `comments` speak on issues, `pull_request`
and `change` on pull requests, with the tables of `evidence`.
"""
