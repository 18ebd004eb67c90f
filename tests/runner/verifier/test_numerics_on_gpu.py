"""The error budget on real hardware: approximate exp, division and rsqrt pass, TF32 does not."""

from __future__ import annotations

import math

import pytest
import torch

triton = pytest.importorskip("triton")
tl = pytest.importorskip("triton.language")

from runner.problem import parse_problem  # noqa: E402 - needs triton to be worth importing
from runner.testing import cases, check  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]


@triton.jit
def _row_kernel(x_ptr, y_ptr, n_cols, KIND: tl.constexpr, BLOCK: tl.constexpr):
    offs = tl.arange(0, BLOCK)
    mask = offs < n_cols
    row = tl.program_id(0)
    x = tl.load(x_ptr + row * n_cols + offs, mask=mask, other=0.0).to(tl.float32)
    if KIND == "softmax":
        e = tl.where(mask, tl.exp(x - tl.max(tl.where(mask, x, -float("inf")), 0)), 0.0)
        y = e / tl.sum(e, 0)
    elif KIND == "layer_norm":
        centred = tl.where(mask, x - tl.sum(x, 0) / n_cols, 0.0)
        y = centred * tl.rsqrt(tl.sum(centred * centred, 0) / n_cols + 1e-5)
    elif KIND == "gelu":
        y = 0.5 * x * (1 + tl.erf(x * 0.7071067811865476))
    elif KIND == "silu":
        y = x * tl.sigmoid(x)
    else:
        y = tl.cumsum(x, 0)
    tl.store(y_ptr + row * n_cols + offs, y, mask=mask)


@triton.jit
def _matmul_kernel(x_ptr, w_ptr, y_ptr, M, N, K, PRECISION: tl.constexpr, B: tl.constexpr):
    rows = tl.program_id(0) * B + tl.arange(0, B)
    cols = tl.program_id(1) * B + tl.arange(0, B)
    total = tl.zeros((B, B), tl.float32)
    for start in range(0, K, B):
        inner = start + tl.arange(0, B)
        x_mask = (rows[:, None] < M) & (inner[None, :] < K)
        w_mask = (inner[:, None] < K) & (cols[None, :] < N)
        x = tl.load(x_ptr + rows[:, None] * K + inner[None, :], mask=x_mask, other=0.0)
        w = tl.load(w_ptr + inner[:, None] * N + cols[None, :], mask=w_mask, other=0.0)
        total = tl.dot(x, w, total, input_precision=PRECISION)
    y_mask = (rows[:, None] < M) & (cols[None, :] < N)
    tl.store(y_ptr + rows[:, None] * N + cols[None, :], total, mask=y_mask)


def spec(reference: str, dtype: str, inputs: dict[str, str], output: str, tests: list[dict]):
    lines = ['name = "p"', 'entry = "p"', 'summary = "s"', "[axes]"]
    lines += [f"{axis} = [1, 65536]" for axis in tests[0]]
    for table, rows in (("inputs", inputs), ("outputs", {"y": output})):
        for name, shape in rows.items():
            lines += [f"[[{table}]]", f'name = "{name}"', f"shape = {shape}", f'dtype = "{dtype}"']
    for table in ("tests", "benchmarks"):
        for row in tests:
            lines += [f"[[{table}]]", *(f"{axis} = {size}" for axis, size in row.items())]
    body = f"import torch\nimport torch.nn.functional as F\n\n\ndef p({', '.join(inputs)}):\n"
    return parse_problem("\n".join(lines), f"{body}    return {reference}\n")


ROW_REFERENCES = {
    "softmax": "F.softmax(x, -1)",
    "layer_norm": "F.layer_norm(x, x.shape[-1:], eps=1e-5)",
    "gelu": "F.gelu(x)",
    "silu": "F.silu(x)",
    "cumsum": "x.cumsum(-1)",
}


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", ROW_REFERENCES)
def test_honest_row_kernel_is_within_its_budget(kind, dtype):
    workloads = [{"M": 4, "N": 77}, {"M": 130, "N": 1024}, {"M": 64, "N": 5000}]
    shape = '["M", "N"]'
    problem = spec(ROW_REFERENCES[kind], dtype, {"x": shape}, shape, workloads)

    def entry(x):
        y = torch.empty_like(x)
        block = triton.next_power_of_2(x.shape[1])
        _row_kernel[(x.shape[0],)](x, y, x.shape[1], KIND=kind, BLOCK=block)
        return y

    for case in cases(problem):
        check(problem, case, entry)


@pytest.mark.parametrize(
    ("dtype", "precision", "honest"),
    [
        ("float32", "ieee", True),
        ("float32", "tf32x3", True),
        ("float32", "tf32", False),
        ("float16", "ieee", True),
        ("bfloat16", "ieee", True),
    ],
)
def test_matrix_product_must_keep_the_precision_of_its_inputs(dtype, precision, honest):
    workloads = [{"M": 64, "N": 32, "K": 96}, {"M": 100, "N": 130, "K": 2049}]
    inputs = {"x": '["M", "K"]', "w": '["K", "N"]'}
    problem = spec("x @ w", dtype, inputs, '["M", "N"]', workloads)

    def entry(x, w):
        (m, k), n = x.shape, w.shape[1]
        y = torch.empty(m, n, dtype=x.dtype, device=x.device)
        grid = (math.ceil(m / 32), math.ceil(n / 32))
        _matmul_kernel[grid](x, w, y, m, n, k, PRECISION=precision, B=32)
        return y

    failed = []
    for case in cases(problem):
        try:
            check(problem, case, entry)
        except AssertionError as error:
            failed.append(str(error))
    assert bool(failed) is not honest, "\n\n".join(failed)
