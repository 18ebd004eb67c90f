"""Markdown → HTML, the way GitHub shows it.

Owns which raw HTML survives: a short list of harmless tags without attributes; comments vanish, the
rest is shown as text. Nothing that an issue or a bot writes can become a script or a link to one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight  # type: ignore[import-untyped]  # ships no types
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.util import ClassNotFound  # type: ignore[import-untyped]

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"&lt;(/?(?:details|summary|sub|sup|kbd|br|b|i|em|strong)|details open)\s*/?&gt;")
_REFERENCE = re.compile(r"(?<![\w&/])#(\d+)\b")


def highlighted(code: str, language: str) -> str:
    """`code` as HTML with the classes of `style_sheet`; plain text for an unknown language."""
    if language == "console":  # the lexer greys out every line without a prompt
        return escape(code)
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return escape(code)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def style_sheet() -> str:
    """The colours of highlighted code."""
    return str(HtmlFormatter(style="friendly").get_style_defs(".code"))


def _fence(
    _self: Any, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    token = tokens[index]
    language = token.info.strip().split(" ")[0]
    return f'<pre class="code"><code>{highlighted(token.content, language)}</code></pre>\n'


def _raw_html(
    _self: Any, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    text = escape(_COMMENT.sub("", tokens[index].content), quote=False)
    return _TAG.sub(r"<\1>", text)


def _text(
    _self: Any, tokens: Sequence[Token], index: int, _options: OptionsDict, env: EnvType
) -> str:
    linked = rf'<a href="/{env["repository"]}/issues/\1">#\1</a>'
    return _REFERENCE.sub(linked, escape(tokens[index].content, quote=False))


def _renderer() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    markdown.add_render_rule("fence", _fence)
    markdown.add_render_rule("html_block", _raw_html)
    markdown.add_render_rule("html_inline", _raw_html)
    markdown.add_render_rule("text", _text)
    return markdown


_MARKDOWN = _renderer()


def render(text: str, repository: str) -> str:
    """HTML of `text`; `#7` links to that issue of `repository` (owner/name)."""
    return str(_MARKDOWN.render(text, {"repository": escape(repository)}))
