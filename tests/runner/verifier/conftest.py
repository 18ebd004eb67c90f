"""Small problems and one verifier for each, shared within a module: warm workers are dear."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from runner.problem import parse_problem
from runner.verifier import Verifier, VerifyOptions
from runner.verifier.sandbox import open_sandbox

SOFTMAX_TOML = """\
name = "row_softmax"
entry = "row_softmax"
summary = "Softmax along the last axis"
family = "softmax"

[axes]
M = [1, 4096]
N = [1, 8192]

[[inputs]]
name = "x"
shape = ["M", "N"]
dtype = "float16"

[[outputs]]
name = "y"
shape = ["M", "N"]
dtype = "float16"

[[tests]]
M = 3
N = 64
[[tests]]
M = 5
N = 100

[[benchmarks]]
M = 256
N = 1024
"""
SOFTMAX_REFERENCE = """\
import torch


def row_softmax(x):
    return torch.softmax(x.float(), dim=-1).to(x.dtype)
"""


@pytest.fixture(scope="session")
def sandboxed():
    """Skips where no sandbox can be made, with the reason."""
    if open_sandbox(allow_none=True).kind == "none":
        pytest.skip("needs bubblewrap (Debian package bubblewrap) and user namespaces")


@pytest.fixture(scope="session")
def softmax_texts() -> SimpleNamespace:
    """The spec and reference of the softmax problem, as texts to vary."""
    return SimpleNamespace(toml=SOFTMAX_TOML, reference=SOFTMAX_REFERENCE)


@pytest.fixture(scope="session")
def softmax_problem():
    return parse_problem(SOFTMAX_TOML, SOFTMAX_REFERENCE)


@pytest.fixture(scope="module")
def softmax_verifier(softmax_problem) -> Iterator[Verifier]:
    """With a fresh secret seed. Goes without a sandbox where none can be made."""
    with Verifier(softmax_problem, VerifyOptions(allow_no_sandbox=True)) as verifier:
        yield verifier
