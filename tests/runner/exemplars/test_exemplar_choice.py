"""Which exemplar a problem starts from."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.exemplars import exemplar_for, exemplars
from runner.exemplars.choice import _SIGNS
from runner.problem import load_problem

PROBLEMS = Path(__file__).parent / "problems"


def reference(*lines: str) -> str:
    return "\n".join(["def entry(x):", *(f"    {line}" for line in lines)])


# family, summary, reference → exemplar
ROWS = [
    # The family's own word decides, whatever the reference calls.
    ("attention", "", reference("return F.conv2d(x, w)"), "attention_forward"),
    ("Flash-Attention", "", "", "attention_forward"),
    ("attention", "keys through TMA descriptors", "", "attention_tma"),
    ("matmul", "", "", "matmul"),
    ("GEMM", "", "", "matmul"),
    ("softmax", "", "", "row_softmax"),
    ("normalisation", "", "", "layer_norm"),
    ("normalization", "RMS norm", "", "rms_norm"),
    ("norm", "", reference("return F.group_norm(x, 8)"), "group_norm"),
    ("convolution", "", "", "conv2d"),
    ("conv", "", reference("return F.conv3d(x, w)"), "conv3d"),
    ("reduction", "", "", "reduce_axis"),
    ("scan", "", "", "scan_axis"),
    ("pooling", "", "", "max_pool2d"),
    ("loss", "", "", "cross_entropy"),
    ("elementwise", "", "", "elementwise"),
    ("activation function", "", "", "elementwise"),
    ("row_softmax", "", "", "row_softmax"),
    # Without one, what the reference calls does; the dearest of a chain.
    ("", "", reference("return F.scaled_dot_product_attention(x, x, x)"), "attention_forward"),
    ("", "", reference("return torch.softmax(x @ x.T, -1) @ x"), "attention_forward"),
    ("", "", reference("return torch.softmax(x @ x.T, -1)"), "matmul"),
    ("", "", reference("return torch.bmm(x, x)"), "batched_matmul"),
    ("", "", reference("return F.relu(F.linear(x, w, b)) * 2"), "linear_chain"),
    ("", "", reference("return F.gelu(F.linear(x, w)).logsumexp(1)"), "linear_logsumexp"),
    ("", "", reference("return F.group_norm(F.conv2d(x, w), 8).relu()"), "conv2d"),
    ("", "", "class Model:\n    def __init__(s):\n        s.c = nn.Conv1d(3, 4, 5)", "conv1d"),
    ("", "", reference("return F.conv_transpose2d(x, w)"), "conv_transpose2d"),
    ("", "", reference("return nn.ConvTranspose3d(3, 4, 5)(x)"), "conv_transpose2d"),
    ("", "", reference("return F.conv2d(x, w, groups=3)"), "depthwise_conv2d"),
    ("", "", reference("return F.mse_loss(x, y)"), "smooth_l1_loss"),
    ("", "", reference("return F.kl_div(x.log(), y)"), "kl_divergence"),
    ("", "", reference("return F.cross_entropy(x, y)"), "cross_entropy"),
    ("", "", reference("return F.avg_pool2d(x, 3)"), "avg_pool3d"),
    ("", "", reference("return nn.BatchNorm2d(3)(x)"), "group_norm"),
    ("", "", reference("return torch.cumprod(x, 1)"), "scan_axis"),
    ("", "", reference("return torch.argmin(x, 1)"), "argmax_axis"),
    ("", "", reference("return torch.sum(x, 1)"), "reduce_axis"),
    ("", "", reference("return torch.sigmoid(x)"), "elementwise"),
    # A norm written out calls only what every reduction calls: the summary says what it is.
    ("", "Layer normalisation", reference("return x - x.mean(-1)"), "layer_norm"),
    ("", "Softmax of rows", "", "row_softmax"),
    # An unknown family word is none.
    ("my own", "", reference("return torch.softmax(x, -1)"), "row_softmax"),
    # A reference that does not parse calls nothing.
    ("", "", "def entry(x):\n  return F.conv2d(", None),
    ("", "", "\x00", None),
    ("", "", "", None),
    ("gather", "Rows of a table, picked by index", "def take_rows(i, t):\n    return t[i]", None),
]


@pytest.mark.parametrize(("family", "summary", "text", "name"), ROWS)
def test_family_then_calls_then_summary_choose(
    family: str, summary: str, text: str, name: str | None
) -> None:
    chosen = exemplar_for(family, summary, text)
    assert (chosen.name if chosen else None) == name


@pytest.mark.parametrize("exemplar", exemplars(), ids=lambda exemplar: exemplar.name)
def test_every_exemplar_is_chosen_for_its_own_problem(exemplar) -> None:
    problem = load_problem(PROBLEMS / exemplar.name)
    for family in (problem.family, ""):
        chosen = exemplar_for(family, problem.summary, problem.reference_text)
        if exemplar.name == "attention_tma":
            # Only words choose it: pointers take every head dimension and every stride.
            chosen = exemplar_for(family, f"{problem.summary}, TMA", problem.reference_text)
        assert chosen == exemplar


def test_signs_name_exemplars_that_exist() -> None:
    assert set(_SIGNS) <= {exemplar.name for exemplar in exemplars()}
