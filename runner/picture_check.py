"""Whether a picture of a bundle is one that the runner could have drawn. Torch-free.

Owns the list of what may stand in an SVG that the bot commits. Nothing that runs, that fetches or
that links: a viewer other than GitHub's may obey it.
"""

from __future__ import annotations

from xml.etree import ElementTree

MAX_PICTURE_BYTES = 1 << 20
_SPACE = "{http://www.w3.org/2000/svg}"
_ELEMENTS = frozenset(
    {"svg", "title", "style", "rect", "text", "line", "polyline", "polygon", "circle"}
)
_ATTRIBUTES = frozenset(
    {"width", "height", "viewBox", "role", "class", "points", "text-anchor"}
    | {"x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx"}
)
# A style sheet that names another file, or hides that it does.
_REACHES_OUT = ("url", "@import", "\\", "/*", "<")


def picture_fault(data: bytes) -> str | None:
    """Why `data` is not taken as a picture; None: it is."""
    if len(data) > MAX_PICTURE_BYTES:
        return f"has {len(data)} bytes; at most {MAX_PICTURE_BYTES}"
    # No document type, so no entities: what is parsed is no larger than what came.
    if b"<!" in data or b"<?" in data or b"\0" in data:
        return "has a declaration or an instruction"
    try:
        data.decode("utf-8")
        root = ElementTree.fromstring(data)  # noqa: S314 - bounded, and without entities
    except (ElementTree.ParseError, ValueError):
        return "is not well-formed SVG"
    for element in root.iter():
        name = str(element.tag).removeprefix(_SPACE)
        if name not in _ELEMENTS or element.tag == name:
            return f"has the element {name[:40]!r}"
        for attribute in element.attrib:
            if attribute not in _ATTRIBUTES:
                return f"has the attribute {attribute[:40]!r}"
        if name == "style" and any(sign in (element.text or "").lower() for sign in _REACHES_OUT):
            return "has a style that reaches out"
    return None
