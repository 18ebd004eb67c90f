"""The site's own style and script, and the frame that both go into.

Owns that every page carries them within itself: a page works from a file, alone.
"""

from __future__ import annotations

from importlib.resources import files as package_files

from runner.html_document import render_document
from runner.html_parts import Markup


def render(title: str, body: Markup) -> str:
    """A page of the site as HTML."""
    folder = package_files("runner.site")
    style = folder.joinpath("site.css").read_text(encoding="utf-8")
    script = folder.joinpath("site.js").read_text(encoding="utf-8")
    return render_document(title, body, style=style, script=script)
