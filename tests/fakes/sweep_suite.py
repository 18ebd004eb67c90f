"""A suite of small problems over many families, with the answers of a recorded model.

Owns the table: one row is a problem, its reference and its kernel. Written to folders by `write`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

# name: family, kind, the reference's expression, the kernel's.
# Kinds: `map` and `zip` are elementwise in one and two inputs; `fold` makes one number of a row,
# `row` a row of a row, `bias` adds a vector to every row; `pair` makes one number of two rows.
TABLE: dict[str, tuple[str, str, str, str]] = {
    "relu": ("activation", "map", "torch.relu(x)", "tl.where(x > 0, x, 0.0)"),
    "silu": ("activation", "map", "x * torch.sigmoid(x)", "x * tl.sigmoid(x)"),
    "leaky_relu": (
        "activation",
        "map",
        "torch.nn.functional.leaky_relu(x, 0.1)",
        "tl.where(x > 0, x, 0.1 * x)",
    ),
    "hard_tanh": (
        "activation",
        "map",
        "x.clamp(-1, 1)",
        "tl.minimum(tl.maximum(x, -1.0), 1.0)",
    ),
    "twice": ("elementwise", "map", "2 * x", "2 * x"),
    "negate": ("elementwise", "map", "-x", "-x"),
    "absolute": ("elementwise", "map", "x.abs()", "tl.abs(x)"),
    "squared": ("polynomial", "map", "x * x", "x * x"),
    "cubed": ("polynomial", "map", "x * x * x", "x * x * x"),
    "affine": ("polynomial", "map", "3 * x + 1", "3 * x + 1"),
    "cosine": ("trigonometry", "map", "torch.cos(x)", "tl.cos(x)"),
    "sine": ("trigonometry", "map", "torch.sin(x)", "tl.sin(x)"),
    "sum_of_two": ("binary", "zip", "x + y", "x + y"),
    "product": ("binary", "zip", "x * y", "x * y"),
    "difference": ("binary", "zip", "x - y", "x - y"),
    "larger": ("comparison", "zip", "torch.maximum(x, y)", "tl.maximum(x, y)"),
    "smaller": ("comparison", "zip", "torch.minimum(x, y)", "tl.minimum(x, y)"),
    "gated": ("gating", "zip", "torch.sigmoid(x) * y", "tl.sigmoid(x) * y"),
    "gated_relu": ("gating", "zip", "torch.relu(x) * y", "tl.where(x > 0, x, 0.0) * y"),
    "row_sum": ("reduction", "fold", "x.sum(1)", "tl.sum(x, 0)"),
    "row_mean": ("reduction", "fold", "x.mean(1)", "tl.sum(x, 0) / n"),
    "row_square_sum": ("reduction", "fold", "(x * x).sum(1)", "tl.sum(x * x, 0)"),
    "row_largest": (
        "extremum",
        "fold",
        "x.amax(1)",
        "tl.max(tl.where(mask, x, -float('inf')), 0)",
    ),
    "row_smallest": (
        "extremum",
        "fold",
        "x.amin(1)",
        "tl.min(tl.where(mask, x, float('inf')), 0)",
    ),
    "softmax": (
        "softmax",
        "row",
        "torch.softmax(x, 1)",
        "e / tl.sum(e, 0)",
    ),
    "log_softmax": (
        "softmax",
        "row",
        "torch.log_softmax(x, 1)",
        "x - top - tl.log(tl.sum(e, 0))",
    ),
    "rms_norm": (
        "normalisation",
        "row",
        "x / torch.sqrt((x * x).mean(1, keepdim=True) + 1e-5)",
        "x / tl.sqrt(tl.sum(x * x, 0) / n + 1e-5)",
    ),
    "centred": (
        "normalisation",
        "row",
        "x - x.mean(1, keepdim=True)",
        "x - tl.sum(x, 0) / n",
    ),
    "squared_error": (
        "loss",
        "pair",
        "((x - y) * (x - y)).mean(1)",
        "tl.sum((x - y) * (x - y), 0) / n",
    ),
    "absolute_error": ("loss", "pair", "(x - y).abs().mean(1)", "tl.sum(tl.abs(x - y), 0) / n"),
    "dot": ("product", "pair", "(x * y).sum(1)", "tl.sum(x * y, 0)"),
    "add_bias": ("broadcast", "bias", "x + y", "x + y"),
    "scale_columns": ("broadcast", "bias", "x * y", "x * y"),
}
_INPUTS = {"map": ["M N"], "zip": ["M N", "M N"], "fold": ["M N"], "row": ["M N"]} | {
    "pair": ["M N", "M N"],
    "bias": ["M N", "N"],
}
# One program a row, whatever the kind: the problems are small.
_KERNEL = '''\
"""{title}: one program for each row."""

import torch
import triton
import triton.language as tl


@triton.jit
def _kernel(x_ptr, {y_ptr}z_ptr, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offs = tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + row * n + offs, mask=mask, other=0.0)
{body}

def {entry}({names}):
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


def write(folder: Path, names: list[str] | None = None) -> Recorded:
    """The suite and its transcripts. Every fourth answer is wrong at first."""
    chosen = list(TABLE) if names is None else names
    wrong = tuple(chosen[3::4])
    answers = folder / "answers"
    answers.mkdir(parents=True)
    for name in chosen:
        problem = folder / "small" / name
        problem.mkdir(parents=True)
        (problem / "problem.toml").write_text(spec(name))
        (problem / "reference.py").write_text(reference(name))
        sources = [kernel(name).replace("x_ptr + row", "x_ptr + 0 * row")] if name in wrong else []
        sources.append(kernel(name))
        lines = [
            json.dumps(
                {"generation": 0, "attempt": n, "model": "by hand", "content": _answer(source)}
            )
            for n, source in enumerate(sources, start=1)
        ]
        (answers / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    model = f"replay:{answers}/{{problem}}.jsonl"
    return Recorded(suite=folder / "small", model=model, wrong_first=wrong)


def spec(name: str) -> str:
    """`problem.toml` of one row."""
    family, kind, expression, _ = TABLE[name]
    shapes = _INPUTS[kind]
    tensors = [_tensor("inputs", n, s) for n, s in zip("xy", shapes, strict=False)]
    tensors.append(_tensor("outputs", "z", "M" if kind in ("fold", "pair") else "M N"))
    return "\n".join(
        [
            f'name = "{name}"',
            f'entry = "{name}"',
            f'summary = "z = {expression}"',
            f'family = "{family}"',
            'baselines = ["eager"]',
            "[axes]\nM = [1, 4096]\nN = [1, 1024]",
            *tensors,
            "[[tests]]\nM = 3\nN = 33\n[[tests]]\nM = 5\nN = 16",
            "[[benchmarks]]\nM = 4096\nN = 1024",
            "",
        ]
    )


def reference(name: str) -> str:
    """`reference.py` of one row."""
    _, kind, expression, _ = TABLE[name]
    names = ", ".join("xy"[: len(_INPUTS[kind])])
    return (
        f'"""z = {expression}."""\n\nimport torch  # noqa: F401\n\n\n'
        f"def {name}({names}):\n    return {expression}\n"
    )


def kernel(name: str) -> str:
    """`kernel.py` of one row, right."""
    _, kind, _, expression = TABLE[name]
    two = len(_INPUTS[kind]) == 2
    start = "" if kind == "bias" else "row * n + "
    body = [f"y = tl.load(y_ptr + {start}offs, mask=mask, other=0.0)"] if two else []
    if kind == "row":
        body.append("top = tl.max(tl.where(mask, x, -float('inf')), 0)")
        body.append("e = tl.where(mask, tl.exp(x - top), 0.0)")
    folded = kind in ("fold", "pair")
    place = "row, " if folded else "row * n + offs, "
    body.append(f"tl.store(z_ptr + {place}{expression}{'' if folded else ', mask=mask'})")
    return _KERNEL.format(
        title=name,
        entry=name,
        names="x, y" if two else "x",
        y="y, " if two else "",
        y_ptr="y_ptr, " if two else "",
        body="".join(f"    {line}\n" for line in body),
        shape="(m,)" if folded else "(m, n)",
    )


def _tensor(table: str, name: str, shape: str) -> str:
    axes = ", ".join(f'"{axis}"' for axis in shape.split())
    return f'[[{table}]]\nname = "{name}"\nshape = [{axes}]\ndtype = "float32"'


def _answer(source: str) -> str:
    return f"One program for each row.\n\n```python\n{source}```\n"
