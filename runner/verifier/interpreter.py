"""What Triton's interpreter needs so that honest kernels run on every supported version.

Owns one mend: NumPy 2.4 no longer turns an array of one element into a number, and the interpreter
of Triton before 3.8 relies on that wherever a kernel loops up to an argument.
"""

from __future__ import annotations

from typing import Any

from triton.runtime import interpreter


def mend_interpreter() -> None:
    """Let scalars of the interpreter be loop bounds again. Harmless where they are already."""
    patch = interpreter._patch_lang_tensor
    if getattr(patch, "mended", False):
        return

    def mended(tensor: Any, *scope: Any) -> None:
        patch(tensor, *scope)
        tensor.__index__ = lambda self: int(self.handle.data.reshape(()))

    mended.mended = True  # type: ignore[attr-defined]
    interpreter._patch_lang_tensor = mended
