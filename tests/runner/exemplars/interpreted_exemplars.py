"""Child process of test_exemplar_kernels.py: every exemplar in Triton's interpreter.

Usage: interpreted_exemplars.py [NAME ...]. Prints one JSON object: exemplar → what went wrong, in
words (an empty list where nothing did). Each runs on every case of its problem, judged by the
verifier's own numerics, and on inputs that its problem cannot express.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# Before triton is imported: the choice is made when a kernel is decorated.
os.environ["TRITON_INTERPRET"] = "1"

import torch
import torch.nn.functional as F

from runner.exemplars import Exemplar, exemplars
from runner.problem import load_problem
from runner.testing import cases, check
from runner.verifier.interpreter import mend_interpreter

# PyTorch's own result is rounded, too, in the same dtype: a few units apart both are right.
ODD_TOLERANCE_UNITS = 8
PROBLEMS = Path(__file__).parent / "problems"
Entry = Callable[..., torch.Tensor]
# What is compared, the inputs of the exemplar, and the result that PyTorch has for them.
Odd = Iterator[tuple[str, tuple[torch.Tensor, ...], torch.Tensor]]


def normal(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def odd_matmul() -> Odd:
    a, b = normal(40, 33, dtype=torch.float16), normal(70, 33, dtype=torch.float16)
    yield "b transposed", (a, b.t()), a @ b.t()
    yield "every second row", (a[::2], b.t()), a[::2] @ b.t()
    yield "no rows", (a[:0], b.t()), a[:0] @ b.t()
    yield "nothing to add up", (a[:, :0], b.t()[:0]), a[:, :0] @ b.t()[:0]


def odd_attention_forward() -> Odd:
    wide = normal(1, 70, 3, 48, dtype=torch.bfloat16)
    q, k, v = (wide[..., 16 * i : 16 * (i + 1)].transpose(1, 2) for i in range(3))
    wanted = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True)
    yield "bfloat16 slices, heads after rows", (q, k, v), wanted.bfloat16()


def odd_softmax() -> Odd:
    x = normal(40, 20)
    yield "transposed", (x.t(),), x.t().softmax(-1)
    yield "no rows", (x[:0],), x[:0]
    masked = normal(3, 9000).masked_fill(torch.arange(9000) > 100, float("-inf"))
    yield "mostly minus infinity", (masked,), masked.softmax(-1)


def odd_reduce() -> Odd:
    x = normal(5, 6, 7, 9)
    yield "two axes after it", (x,), x.mean(1)
    yield "no axis after it", (x[0, 0],), x[0, 0].mean(1)
    yield "one element a row", (x[:, :1],), x[:, 0]
    yield "transposed", (x.transpose(1, 3),), x.mean(3).transpose(1, 2)
    yield "two blocks", (normal(2, 5000),), normal(2, 5000).mean(1)
    yield "two blocks of rows", (normal(1, 40, 70),), normal(1, 40, 70).mean(1)


def odd_argmax() -> Odd:
    for name, shape in (("two blocks", (2, 5000)), ("two blocks of rows", (1, 40, 70))):
        x = normal(*shape).mul(2).round()
        yield f"many equal, {name}", (x,), x.argmax(1)
    yield "minus infinity", (torch.full((2, 5), float("-inf")),), torch.zeros(2, dtype=torch.int64)


def odd_scan() -> Odd:
    x = normal(5, 6, 7, 9)
    yield "two axes after it", (x,), x.cumsum(1)
    yield "two blocks of rows", (normal(1, 70, 65),), normal(1, 70, 65).cumsum(1)
    yield "half", (normal(3, 50).half(),), normal(3, 50).half().cumsum(1)


def odd_max_pool() -> Odd:
    x = normal(2, 3, 7, 10)
    yield "odd sizes", (x,), F.max_pool2d(x, 3, 2, 1)
    x = x.index_fill(3, torch.tensor([4]), float("nan"))
    yield "NaN wins", (x,), F.max_pool2d(x, 3, 2, 1)


def odd_avg_pool() -> Odd:
    x = normal(2, 3, 5, 7, 10)
    yield "odd sizes", (x,), F.avg_pool3d(x, 3, 2, 1)


def odd_depthwise() -> Odd:
    x, w, b = normal(2, 3, 9, 8), normal(3, 1, 5, 2), normal(3)
    yield "wide filter", (x, w, b), F.conv2d(x, w, b, padding=1, groups=3)


def odd_conv1d() -> Odd:
    x, w, b = normal(2, 5, 37), normal(6, 5, 4), normal(6)
    yield "float32, four taps", (x, w, b), F.conv1d(x, w, b, stride=2, padding=2, dilation=2)


def odd_conv2d() -> Odd:
    x, w, b = normal(2, 5, 9, 8), normal(6, 5, 1, 4), normal(6)
    yield "float32, one by four", (x, w, b), F.conv2d(x, w, b, padding=1)


def odd_conv3d() -> Odd:
    x, w, b = normal(2, 2, 4, 5, 6), normal(3, 2, 1, 2, 4), normal(3)
    yield "filter of three sizes", (x, w, b), F.conv3d(x, w, b, padding=1)


def odd_conv_transpose() -> Odd:
    x, w, b = normal(2, 5, 4, 6), normal(5, 3, 3, 5), normal(3)
    yield "odd filter", (x, w, b), F.conv_transpose2d(x, w, b, stride=2, padding=1)
    x, w = normal(1, 5, 3, 3), normal(5, 3, 1, 1)
    yield "fewer taps than phases", (x, w, b), F.conv_transpose2d(x, w, b, stride=2, padding=1)


def odd_elementwise() -> Odd:
    x = normal(4, 5, 6)
    yield "three axes, strided", (x[..., ::2],), F.gelu(x[..., ::2])
    yield "no axes", (x[0, 0, 0],), F.gelu(x[0, 0, 0])


ODD: dict[str, Callable[[], Odd]] = {
    "argmax_axis": odd_argmax,
    "attention_forward": odd_attention_forward,
    "avg_pool3d": odd_avg_pool,
    "conv1d": odd_conv1d,
    "conv2d": odd_conv2d,
    "conv3d": odd_conv3d,
    "conv_transpose2d": odd_conv_transpose,
    "depthwise_conv2d": odd_depthwise,
    "elementwise": odd_elementwise,
    "matmul": odd_matmul,
    "max_pool2d": odd_max_pool,
    "reduce_axis": odd_reduce,
    "row_softmax": odd_softmax,
    "scan_axis": odd_scan,
}


def faults_of(exemplar: Exemplar, entry: Entry) -> list[str]:
    faults: list[str] = []
    problem = load_problem(PROBLEMS / exemplar.name)
    for case in cases(problem):
        try:
            check(problem, case, entry)
        except Exception as error:  # noqa: BLE001 - one exemplar's fault is not the others'
            faults.append(f"{case}: {type(error).__name__}: {error}")
    for name, inputs, wanted in ODD.get(exemplar.name, lambda: iter(()))():
        tolerance = ODD_TOLERANCE_UNITS * torch.finfo(inputs[0].dtype).eps
        try:
            found = entry(*inputs)
            torch.testing.assert_close(
                found, wanted, rtol=tolerance, atol=tolerance, equal_nan=True
            )
            if not found.is_contiguous():
                faults.append(f"{name}: the result is not contiguous")
        except Exception as error:  # noqa: BLE001 - one exemplar's fault is not the others'
            faults.append(f"{name}: {type(error).__name__}: {error}")
    return faults


def import_entry(exemplar: Exemplar) -> Entry:
    """From the file itself: @triton.jit reads the source of what it decorates."""
    spec = importlib.util.spec_from_file_location(f"exemplar_{exemplar.name}", exemplar.path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    entry: Entry = getattr(module, exemplar.entry)
    return entry


def main() -> None:
    mend_interpreter()
    torch.set_num_threads(1)
    found = {}
    for exemplar in exemplars():
        if not sys.argv[1:] or exemplar.name in sys.argv[1:]:
            started = time.monotonic()
            found[exemplar.name] = faults_of(exemplar, import_entry(exemplar))
            print(f"{exemplar.name} {time.monotonic() - started:.1f} s", file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
