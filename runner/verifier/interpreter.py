"""What Triton's interpreter needs so that honest kernels run on every supported version.

Owns three mends. NumPy 2.4 no longer turns an array of one element into a number, and the
interpreter of Triton before 3.8 relies on that wherever a kernel loops up to an argument. And up to
3.9 NumPy's lack of bfloat16 shows: a `tl.dot` multiplies the bit patterns of its operands, and a
cast between bfloat16 and any type but float32 takes the bit pattern for the value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import triton.language as tl
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
    _mend_dot()
    _mend_cast()


def _mend_dot() -> None:
    builder = interpreter.interpreter_builder
    dot = builder.create_dot

    def wide_dot(a: Any, b: Any, *rest: Any) -> Any:
        return dot(_as_float32(a), _as_float32(b), *rest)

    builder.create_dot = wide_dot


def _mend_cast() -> None:
    builder = interpreter.interpreter_builder
    cast = builder.cast_impl

    def by_value(source: Any, to: Any) -> Any:
        # What a comparison gives is bool, under the type of its operands.
        types = {tl.int1 if source.data.dtype == np.bool_ else source.dtype.scalar, to.scalar}
        if tl.bfloat16 in types and tl.float32 not in types and len(types) > 1:
            source = _as_float32(source)
            if source.data.dtype != np.float32:
                source = interpreter.TensorHandle(source.data.astype(np.float32), tl.float32)
        return cast(source, to)

    builder.cast_impl = by_value


def _as_float32(handle: Any) -> Any:
    """A bfloat16 operand as the float32 numbers whose upper half it is."""
    if handle.dtype.scalar != tl.bfloat16 or handle.data.dtype == np.bool_:
        return handle
    bits = np.ascontiguousarray(handle.data).astype(np.uint32) << 16
    return interpreter.TensorHandle(bits.view(np.float32), tl.float32)
