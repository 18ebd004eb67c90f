"""The frame of every page, and the small parts that pages share."""

from __future__ import annotations

import functools
from datetime import datetime
from html import escape
from pathlib import Path

from bot.standin.pages import markdown
from bot.standin.state import Account, Comment, Issue, Label, Reaction, Repository

_EMOJI = {
    "+1": "👍",
    "-1": "👎",
    "laugh": "😄",
    "hooray": "🎉",
    "confused": "😕",
    "heart": "❤️",
    "rocket": "🚀",
    "eyes": "👀",
}


@functools.cache
def _styles() -> str:
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return css + markdown.style_sheet()


def document(title: str, repository: Repository | None, content: str) -> str:
    """A whole page. `content` is HTML; everything in it must be escaped already."""
    crumb = ""
    if repository is not None:
        name = escape(repository.full_name)
        crumb = f'<a class="crumb" href="/{name}">{name}</a>'
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_styles()}</style></head><body>"
        f'<header class="top"><a href="/">stand-in GitHub</a>{crumb}</header>'
        f"<main>{content}</main></body></html>\n"
    )


def avatar(account: Account) -> str:
    """A coloured initial: no picture is fetched from anywhere."""
    hue = account.id * 47 % 360
    initial = escape(account.login[:1].upper())
    square = " square" if account.kind == "Bot" else ""
    return f'<span class="avatar{square}" style="background:hsl({hue} 45% 42%)">{initial}</span>'


def name(account: Account) -> str:
    badge = '<span class="badge">bot</span>' if account.kind == "Bot" else ""
    return f"<strong>{escape(account.login.removesuffix('[bot]'))}</strong>{badge}"


def at(moment: datetime) -> str:
    return f"<time>{moment:%d %b %Y, %H:%M:%S} UTC</time>"


def pill(issue: Issue) -> str:
    kind = "pull request" if issue.pull else "issue"
    return f'<span class="pill {issue.state}">{issue.state}</span><span class="kind">{kind}</span>'


def labels(items: list[Label]) -> str:
    return "".join(
        f'<span class="label" style="--label:#{escape(label.color)}">{escape(label.name)}</span>'
        for label in items
    )


def reactions(items: list[Reaction]) -> str:
    if not items:
        return ""
    counts: dict[str, int] = {}
    for item in items:
        counts[item.content] = counts.get(item.content, 0) + 1
    shown = "".join(f"<span>{_EMOJI[key]} {count}</span>" for key, count in counts.items())
    return f'<div class="reactions">{shown}</div>'


def box(repository: Repository, author: Account, said: str, when: datetime, text: str) -> str:
    """A comment's box: who said what, when, and the Markdown of it."""
    body = (
        markdown.render(text, repository.full_name) if text.strip() else "<p><em>No text.</em></p>"
    )
    return (
        f'<article class="comment">{avatar(author)}<div class="box">'
        f'<div class="head">{name(author)} {said} {at(when)}</div>'
        f'<div class="markdown">{body}</div></div></article>'
    )


def comment_box(repository: Repository, comment: Comment) -> str:
    edited = " · edited" if comment.updated_at != comment.created_at else ""
    html = box(repository, comment.user, "commented", comment.created_at, comment.body)
    tail = f"{reactions(comment.reactions)}</div></article>"
    html = html.removesuffix("</div></article>") + tail
    return html.replace("</time>", f"</time>{edited}", 1)
