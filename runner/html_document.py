"""The frame of every page: head, style and what the page may load, which is nothing.

Owns the policy that a browser enforces: no resource from anywhere, no script but the one that was
handed in, named by its digest. Knows nothing of what stands on a page.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files as package_files
from string import Template

from runner.html_parts import Markup, element

# How a page of ours is known again.
GENERATOR_MARK = '<meta name="generator" content="kernelwright">'


def render_document(title: str, body: Markup, *, style: str = "", script: str = "") -> str:
    """A page as HTML. `style` and `script` are texts of ours; the house's own style comes first.

    Style and script are allowed by their digests alone, so that whatever got into `body` would not
    run: the second wall, behind the escaping.
    """
    templates = package_files("runner").joinpath("templates")
    sheet = templates.joinpath("page.css").read_text(encoding="utf-8") + style
    frame = Template(templates.joinpath("page.html.template").read_text(encoding="utf-8"))
    return frame.substitute(
        title=element("title", title),
        policy=_policy(sheet, script),
        style=sheet,
        body=body,
        script=f"<script>{script}</script>" if script else "",
    )


def _policy(sheet: str, script: str) -> str:
    rules = ["default-src 'none'", f"style-src {_digest(sheet)}", "base-uri 'none'"]
    # Pictures are part of the page itself; as images they can neither run nor load anything.
    rules += ["img-src data:", "form-action 'none'"]
    if script:
        rules.append(f"script-src {_digest(script)}")
    return "; ".join(rules)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
