"""What Triton's interpreter needs so that honest kernels run on every supported version.

Owns three mends. NumPy 2.4 no longer turns an array of one element into a number, and the
interpreter of Triton before 3.8 relies on that wherever a kernel loops up to an argument. And up to
3.9 NumPy's lack of bfloat16 shows: a `tl.dot` multiplies the bit patterns of its operands, and a
cast between bfloat16 and another type takes the bit pattern for the value, or, from float32, cuts
off what a GPU rounds to nearest, and turns subnormal numbers into others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import triton.language as tl
from triton._C.libtriton import ir as _ir
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
        if tl.bfloat16 not in types or len(types) == 1:
            return cast(source, to)
        wide = _as_float32(source)
        if to.scalar == tl.bfloat16:
            numbers = np.asarray(wide.data, dtype=np.float32)
            return interpreter.TensorHandle(_bfloat16_bits(numbers), tl.bfloat16)
        return cast(wide, to) if to.scalar != tl.float32 else wide

    plain = builder.create_fp_to_fp

    def rounded(source: Any, to: Any, rounding_mode: Any) -> Any:
        pair = (source.dtype.scalar, to.scalar)
        nearest = rounding_mode in (None, _ir.ROUNDING_MODE.RTNE)
        if pair == (tl.bfloat16, tl.float32) or (nearest and pair == (tl.float32, tl.bfloat16)):
            return by_value(source, to)
        return plain(source, to, rounding_mode)

    builder.cast_impl = by_value
    builder.create_fp_to_fp = rounded


def _bfloat16_bits(numbers: Any) -> Any:
    """The upper halves of float32 numbers, rounded to nearest, ties to even; a NaN stays one."""
    bits = np.ascontiguousarray(numbers).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(numbers), (bits >> 16) | 0x40, rounded).astype(np.uint16)


def _as_float32(handle: Any) -> Any:
    """A bfloat16 operand as the float32 numbers whose upper half it is."""
    if handle.dtype.scalar != tl.bfloat16 or handle.data.dtype == np.bool_:
        return handle
    bits = np.ascontiguousarray(handle.data).astype(np.uint32) << 16
    return interpreter.TensorHandle(bits.view(np.float32), tl.float32)
