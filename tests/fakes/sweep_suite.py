"""A suite of small problems in KernelBench's format, with the answers of a recorded model.

Owns the table: one row is a problem, its reference and its kernel. Written to files by `write`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """One problem. `reference` and `kernel` are expressions in x and y.

    Kinds: `map` and `zip` are elementwise in one and two inputs; `fold` makes one number of a row,
    `row` a row of a row; `pair` makes one number of two rows. In `weight` (a map) and `dot` (a
    fold), y is a parameter of the model: a vector as long as a row.
    """

    family: str
    kind: str
    reference: str
    kernel: str


# One operation each.
LEVEL_1: dict[str, Row] = {
    "relu": Row("activation", "map", "torch.relu(x)", "tl.where(x > 0, x, 0.0)"),
    "leaky_relu": Row(
        "activation", "map", "torch.nn.functional.leaky_relu(x, 0.1)", "tl.where(x > 0, x, 0.1 * x)"
    ),
    "hard_tanh": Row("activation", "map", "x.clamp(-1, 1)", "tl.minimum(tl.maximum(x, -1.0), 1.0)"),
    "twice": Row("elementwise", "map", "2 * x", "2 * x"),
    "negate": Row("elementwise", "map", "-x", "-x"),
    "absolute": Row("elementwise", "map", "x.abs()", "tl.abs(x)"),
    "squared": Row("polynomial", "map", "x * x", "x * x"),
    "cubed": Row("polynomial", "map", "x * x * x", "x * x * x"),
    "cosine": Row("trigonometry", "map", "torch.cos(x)", "tl.cos(x)"),
    "sine": Row("trigonometry", "map", "torch.sin(x)", "tl.sin(x)"),
    "sum_of_two": Row("binary", "zip", "x + y", "x + y"),
    "product": Row("binary", "zip", "x * y", "x * y"),
    "difference": Row("binary", "zip", "x - y", "x - y"),
    "larger": Row("comparison", "zip", "torch.maximum(x, y)", "tl.maximum(x, y)"),
    "smaller": Row("comparison", "zip", "torch.minimum(x, y)", "tl.minimum(x, y)"),
    "row_sum": Row("reduction", "fold", "x.sum(1)", "tl.sum(x, 0)"),
    "row_mean": Row("reduction", "fold", "x.mean(1)", "tl.sum(x, 0) / n"),
    "row_square_sum": Row("reduction", "fold", "(x * x).sum(1)", "tl.sum(x * x, 0)"),
    "row_largest": Row(
        "extremum", "fold", "x.amax(1)", "tl.max(tl.where(mask, x, -float('inf')), 0)"
    ),
    "row_smallest": Row(
        "extremum", "fold", "x.amin(1)", "tl.min(tl.where(mask, x, float('inf')), 0)"
    ),
    "softmax": Row("softmax", "row", "torch.softmax(x, 1)", "e / tl.sum(e, 0)"),
    "log_softmax": Row(
        "softmax", "row", "torch.log_softmax(x, 1)", "x - top - tl.log(tl.sum(e, 0))"
    ),
    "dot": Row("product", "pair", "(x * y).sum(1)", "tl.sum(x * y, 0)"),
    "bias": Row("broadcast", "weight", "x + y", "x + y"),
    "column_scale": Row("broadcast", "weight", "x * y", "x * y"),
    "matrix_vector": Row("matmul", "dot", "x @ y", "tl.sum(x * y, 0)"),
    "running_sum": Row("scan", "row", "x.cumsum(1)", "tl.cumsum(x, 0)"),
    "global_average_pool": Row(
        "pooling",
        "fold",
        "torch.nn.functional.adaptive_avg_pool1d(x, 1).squeeze(1)",
        "tl.sum(x, 0) / n",
    ),
}
# Several in a row.
LEVEL_2: dict[str, Row] = {
    "silu": Row("activation", "map", "x * torch.sigmoid(x)", "x * tl.sigmoid(x)"),
    "affine": Row("polynomial", "map", "3 * x + 1", "3 * x + 1"),
    "gated": Row("gating", "zip", "torch.sigmoid(x) * y", "tl.sigmoid(x) * y"),
    "gated_relu": Row("gating", "zip", "torch.relu(x) * y", "tl.where(x > 0, x, 0.0) * y"),
    "rms_norm": Row(
        "normalisation",
        "row",
        "x / torch.sqrt((x * x).mean(1, keepdim=True) + 1e-5)",
        "x / tl.sqrt(tl.sum(x * x, 0) / n + 1e-5)",
    ),
    "centred": Row("normalisation", "row", "x - x.mean(1, keepdim=True)", "x - tl.sum(x, 0) / n"),
    "squared_error": Row(
        "loss", "pair", "((x - y) * (x - y)).mean(1)", "tl.sum((x - y) * (x - y), 0) / n"
    ),
    "absolute_error": Row("loss", "pair", "(x - y).abs().mean(1)", "tl.sum(tl.abs(x - y), 0) / n"),
    "bias_relu": Row(
        "fused broadcast", "weight", "torch.relu(x + y)", "tl.where(x + y > 0, x + y, 0.0)"
    ),
    "matrix_vector_sigmoid": Row(
        "fused matmul", "dot", "torch.sigmoid(x @ y)", "tl.sigmoid(tl.sum(x * y, 0))"
    ),
    "running_sum_of_squares": Row("fused scan", "row", "(x * x).cumsum(1)", "tl.cumsum(x * x, 0)"),
    "softmax_scaled_and_shifted": Row(
        "fused softmax", "row", "torch.softmax(x, 1) * 2 + 1", "2 * e / tl.sum(e, 0) + 1"
    ),
}
TABLE: dict[str, Row] = LEVEL_1 | LEVEL_2
KEYS = {
    name: f"{level}/{number}"
    for level, rows in ((1, LEVEL_1), (2, LEVEL_2))
    for number, name in enumerate(rows, start=1)
}
RUNS = {name: key.replace("/", "-") for name, key in KEYS.items()}
_TWO_INPUTS = ("zip", "pair")
_PARAMETER = ("weight", "dot")
_FOLDED = ("fold", "pair", "dot")
_REFERENCE = '''\
"""z = {expression}."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self{columns_argument}):
        super().__init__(){parameter}

    def forward(self, {names}):{weight}
        return {expression}


def get_inputs():
    return [{draws}]


def get_init_inputs():
    return [{columns}]
'''
_PARAMETER_LINE = "\n        self.weight = nn.Parameter(torch.randn(columns))"
# One program a row, whatever the kind: the problems are small.
_KERNEL = '''\
"""{title}: one program for each row."""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def _kernel(x_ptr, {y_ptr}z_ptr, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offs = tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + row * n + offs, mask=mask, other=0.0)
{body}

class ModelNew(nn.Module):
    def __init__(self{columns_argument}):
        super().__init__(){parameter}

    def forward(self, {names}):
        m, n = x.shape
        z = torch.empty({shape}, dtype=x.dtype, device=x.device)
        _kernel[(m,)](x, {y}z, n, BLOCK=triton.next_power_of_2(n))
        return z
'''


@dataclass(frozen=True)
class Recorded:
    """A suite on disk and the model that answers it."""

    suite: Path
    model: str
    wrong_first: tuple[str, ...]


def write(
    folder: Path, names: Sequence[str] | None = None, *, rows: int = 5, columns: int = 33
) -> Recorded:
    """The suite and its transcripts. Every fourth answer is wrong at first."""
    chosen = list(TABLE) if names is None else names
    wrong = tuple(chosen[3::4])
    answers = folder / "answers"
    answers.mkdir(parents=True)
    for name in chosen:
        level, number = KEYS[name].split("/")
        place = folder / "small" / f"level{level}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}_{name}.py").write_text(reference(name, rows=rows, columns=columns))
        sources = [kernel(name).replace("x_ptr + row", "x_ptr + 0 * row")] if name in wrong else []
        sources.append(kernel(name))
        lines = [
            json.dumps(
                {"generation": 0, "attempt": n, "model": "by hand", "content": _answer(source)}
            )
            for n, source in enumerate(sources, start=1)
        ]
        (answers / f"{RUNS[name]}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    model = f"replay:{answers}/{{problem}}.jsonl"
    return Recorded(suite=folder / "small", model=model, wrong_first=wrong)


def reference(name: str, *, rows: int = 5, columns: int = 33) -> str:
    """The problem's file."""
    row = TABLE[name]
    held = row.kind in _PARAMETER
    draw = f"torch.randn({rows}, {columns})"
    two = row.kind in _TWO_INPUTS
    return _REFERENCE.format(
        expression=row.reference,
        names="x, y" if two else "x",
        draws=f"{draw}, {draw}" if two else draw,
        columns_argument=", columns" if held else "",
        columns=columns if held else "",
        parameter=_PARAMETER_LINE if held else "",
        weight="\n        y = self.weight" if held else "",
    )


def kernel(name: str) -> str:
    """`kernel.py` of one row, right."""
    row = TABLE[name]
    held, two = row.kind in _PARAMETER, row.kind in _TWO_INPUTS
    start = "" if held else "row * n + "
    loads_y = f"y = tl.load(y_ptr + {start}offs, mask=mask, other=0.0)"
    body = [loads_y] if held or two else []
    if row.family.endswith("softmax"):
        body.append("top = tl.max(tl.where(mask, x, -float('inf')), 0)")
        body.append("e = tl.where(mask, tl.exp(x - top), 0.0)")
    folded = row.kind in _FOLDED
    place = "row, " if folded else "row * n + offs, "
    body.append(f"tl.store(z_ptr + {place}{row.kernel}{'' if folded else ', mask=mask'})")
    return _KERNEL.format(
        title=name,
        names="x, y" if two else "x",
        y="self.weight, " if held else "y, " if two else "",
        y_ptr="y_ptr, " if held or two else "",
        body="".join(f"    {line}\n" for line in body),
        shape="(m,)" if folded else "(m, n)",
        columns_argument=", columns" if held else "",
        parameter=_PARAMETER_LINE if held else "",
    )


def kept_spec(problem_file: Path) -> Path:
    """Where the spec of one problem lies that was found out beforehand: no level of the suite."""
    name = f"{problem_file.parent.name}_{problem_file.stem}.toml"
    return problem_file.parents[1] / "looked_at" / name


def _answer(source: str) -> str:
    return f"One program for each row.\n\n```python\n{source}```\n"
