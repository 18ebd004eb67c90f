"""Whether Triton's language means to the interpreter what it meant before foreign code came.

Owns the comparison, at each launch. Interpreted functions are Python's: host code that puts its own
in their place works where no compiler looks. Worker side; can only fail a candidate.
"""

from __future__ import annotations

from typing import Any

import triton.language as tl
from triton.runtime import interpreter

_PLACES: tuple[Any, ...] = (tl, tl.core, tl.math, tl.tensor)


class SameLanguage:
    """Hooks the interpreter's own patching: before it all must be as it was here and now."""

    def __init__(self) -> None:
        self._usual: list[dict[str, Any]] = _names()
        self._patched: list[dict[str, Any]] = self._usual
        self._launching = False
        patch = interpreter._patch_lang

        def checked(function: Any) -> Any:
            if self._launching:  # a kernel calls another function
                return patch(function)
            _compare(self._usual)
            scope = patch(function)
            self._patched = _names()
            self._launching = True
            return scope

        interpreter._patch_lang = checked

    def check(self) -> None:
        """Raise RuntimeError where a name changed since the launch began."""
        _compare(self._patched)

    def settle(self, *, well: bool) -> None:
        """A launch has ended. Where it ended well, what is not put back is usual from now on."""
        self._launching = False
        if well:
            self._usual = _names()


def _names() -> list[dict[str, Any]]:
    return [dict(vars(place)) for place in _PLACES]


def _compare(due: list[dict[str, Any]]) -> None:
    for place, names in zip(_PLACES, due, strict=True):
        found = vars(place)
        changed = [name for name, value in names.items() if found.get(name) is not value]
        if changed:
            raise RuntimeError(f"the host code changed {place.__name__}.{changed[0]}")
