"""Child process of test_last_answers.py: calls one kernel in Triton's interpreter.

Usage: interpreted_calls.py KERNEL_FILE REFERENCE_FILE ENTRY. Prints one JSON object: for each
refused input the ValueError's text (null where the call went through, any other exception ends the
process), and for each unusual but valid input the largest absolute error against the reference.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Before triton is imported: the choice is made when a kernel is decorated.
os.environ["TRITON_INTERPRET"] = "1"

import torch

Inputs = tuple[torch.Tensor, ...]


def half(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).half()


def attention_refusals() -> Iterator[tuple[str, Inputs]]:
    q = half(1, 2, 20, 64)
    yield "rank", (q[0], q, q)
    yield "shape", (q, q[:, :1], q)
    yield "dtype", (q, q, q.float())
    yield "device", (q, q.to("meta"), q)
    yield "empty", (q[:, :, :0],) * 3
    yield "head dimension", (half(1, 1, 16, 256),) * 3
    yield "heads", (half(1, 1, 1, 16).expand(300, 300, 1, 16),) * 3


def attention_views() -> Iterator[tuple[str, Inputs]]:
    yield "heads after rows", tuple(half(2, 70, 3, 64).transpose(1, 2) for _ in range(3))
    yield "every second column", (half(1, 1, 64, 128)[..., ::2],) * 3
    yield "one past a tile", (half(1, 1, 129, 64),) * 3
    yield "head dimension of no power of two", (half(1, 2, 66, 96),) * 3


def rms_norm_refusals() -> Iterator[tuple[str, Inputs]]:
    x, weight = half(4, 50), half(50)
    yield "rank", (x[0], weight)
    yield "weight length", (x, weight[:49])
    yield "dtype", (x, weight.float())
    yield "device", (x, weight.to("meta"))
    yield "empty", (x[:0], weight)


def rms_norm_views() -> Iterator[tuple[str, Inputs]]:
    x, weight = half(9, 200), half(400)
    yield "slice of wider rows", (x[:, :77], weight[:77])
    yield "transposed", (x.t(), weight[:9])
    yield "every second column", (x[:, ::2], weight[::4])
    yield "two full blocks", (half(2, 16384), half(16384))
    yield "one element", (half(1, 1), half(1))


CASES = {
    "relative_position_attention": (attention_refusals, attention_views),
    "rms_norm": (rms_norm_refusals, rms_norm_views),
}


def import_entry(path: Path, name: str) -> Callable[..., torch.Tensor]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[..., torch.Tensor] = getattr(module, name)
    return function


def main() -> None:
    kernel_file, reference_file, entry = sys.argv[1:]
    kernel = import_entry(Path(kernel_file), entry)
    reference = import_entry(Path(reference_file), entry)
    refusals, views = CASES[entry]
    refused: dict[str, str | None] = {}
    for name, inputs in refusals():
        try:
            kernel(*inputs)
            refused[name] = None
        except ValueError as error:
            refused[name] = str(error)
    errors = {
        name: (kernel(*inputs).double() - reference(*[t.double() for t in inputs])).abs().max()
        for name, inputs in views()
    }
    print(json.dumps({"refused": refused, "errors": {k: float(v) for k, v in errors.items()}}))


if __name__ == "__main__":
    main()
