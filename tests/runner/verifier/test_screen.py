"""The screen: what it rejects, with the line, and what it must let through."""

from __future__ import annotations

import dataclasses

import pytest

from runner.contract import EvaluationStatus
from runner.verifier.screen import MAX_SOURCE_BYTES, screen

GOOD = """\
import torch
import triton
import triton.language as tl


@triton.jit
def _kernel(x_ptr, y_ptr, BLOCK: tl.constexpr):
    offs = tl.arange(0, BLOCK)
    tl.store(y_ptr + offs, tl.softmax(tl.load(x_ptr + offs)))


def row_softmax(x):
    y = torch.empty_like(x)
    _kernel[(1,)](x, y, BLOCK=64)
    return y
"""


MAIN_BLOCK = """

if __name__ == "__main__":
    import time

    torch.testing.assert_close(row_softmax(torch.ones(2, 2)), torch.full((2, 2), 0.5))
"""


def with_body(line: str) -> str:
    """GOOD with one more line in the entry, line 13."""
    return GOOD.replace(
        "    y = torch.empty_like(x)\n", f"    {line}\n    y = torch.empty_like(x)\n"
    )


def with_import(line: str) -> str:
    """GOOD with one more line at the top."""
    return f"{line}\n{GOOD}"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "the candidate is empty"),
        (" \n\t\n", "the candidate is empty"),
        ("#" * (10 << 20), f"the candidate has 10485760 bytes; at most {MAX_SOURCE_BYTES}"),
        ("def row_softmax(x:\n", "kernel.py:1: does not parse: "),
        ("x = 1\nif x\n", "kernel.py:2: does not parse: expected ':'"),
        ("a\0b", "does not parse: "),
        ("\udcff", "the candidate is not text"),
        ("(" * 5000, "does not parse: "),
        ("x = " + "-" * 20000 + "1", "nested too deeply"),
        (GOOD.replace("def row_softmax", "def softmax"), "defines no function row_softmax(x)"),
        (GOOD.replace("(x):", "(a):"), "kernel.py:12: row_softmax(a) should take row_softmax(x)"),
        (GOOD.replace("(x):", "():"), "row_softmax() should take row_softmax(x)"),
        (GOOD.replace("(x):", "(x, y):"), "row_softmax(x, y) should take row_softmax(x)"),
        (GOOD.replace("(x):", "(x, *, b):"), "row_softmax(x, b) should take row_softmax(x)"),
        (GOOD.replace("(x):", "(*x):"), "row_softmax() should take row_softmax(x)"),
        (GOOD.replace("@triton.jit\n", ""), "has no Triton kernel"),
        (GOOD.replace("def row", "@triton.jit\ndef row"), "row_softmax is a kernel itself"),
    ],
)
def test_rejects_what_is_no_kernel_with_one_clear_sentence(source, sentence, softmax_problem):
    finding = screen(source, softmax_problem)
    assert finding.status is EvaluationStatus.REJECTED
    assert sentence in finding.summary
    assert "\n" not in finding.summary


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "import subprocess as sp",
        "from socket import socket",
        "import ctypes",
        "import numpy as np",
        "import operator",
        "from . import kernel",
        "from torch import *",
        "import torch.utils.cpp_extension",
        "from torch.utils.cpp_extension import load_inline",
        "import triton.testing",
        "from triton.runtime import interpreter",
        "from torch import compile",
    ],
)
def test_rejects_imports_that_no_kernel_needs(line, softmax_problem):
    finding = screen(with_import(line), softmax_problem)
    assert finding.summary.startswith("kernel.py:1: imports ")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("torch.compile(x)", "uses torch.compile"),
        ("torch.jit.script(x)", "uses torch.jit"),
        ("torch.ops.aten.softmax(x, -1)", "uses torch.ops"),
        ("torch.os.system('true')", "uses torch.os"),
        ("eval('1')", "uses eval"),
        ("f = exec", "uses exec"),
        ("open('/etc/passwd')", "uses open"),
        ("globals()['x']", "uses globals"),
        ("().__class__.__subclasses__()", "private attribute"),
        ("torch._C._cuda_init()", "private attribute _C"),
        ("getattr(torch, '_C')", "getattr"),
        ("getattr(torch, 'comp' + 'ile')", "getattr"),
        ("x.numpy()", "uses .numpy"),
        ("x.tolist()", "uses .tolist"),
        ("torch.from_numpy(x)", "uses torch.from_numpy"),
        ("torch.allclose = None", "patches torch.allclose"),
        ("triton.cdiv: int = 1", "patches triton.cdiv"),
        ("del torch.empty", "patches torch.empty"),
        ("torch.cuda.Event.elapsed_time = None", "patches torch.cuda.Event.elapsed_time"),
        ("return torch.softmax(x, -1)", "calls torch.softmax"),
        ("return torch.nn.functional.softmax(x, -1)", "calls torch.nn.functional.softmax"),
        ("x = x @ x.t()", "multiplies with @"),
    ],
)
def test_rejects_plain_cheats_with_their_line(line, words, softmax_problem):
    finding = screen(with_body(line), softmax_problem)
    assert finding.summary.startswith("kernel.py:13: ")
    assert words in finding.detail


def test_finds_a_library_kernel_behind_a_function_and_an_alias(softmax_problem):
    source = GOOD.replace("    return y", "    return _finish(x)") + (
        "\n\nfrom torch.nn import functional as F\n"
        "\n\ndef _finish(x):\n    return F.softmax(x, -1)\n"
    )
    finding = screen(source, softmax_problem)
    assert "calls torch.nn.functional.softmax" in finding.summary


@pytest.mark.parametrize(
    "source",
    [
        GOOD,
        GOOD.replace("@triton.jit", "@triton.jit(do_not_specialize=['BLOCK'])"),
        GOOD.replace("import triton\n", "import triton\nfrom triton import jit\n").replace(
            "@triton.jit", "@jit"
        ),
        GOOD.replace("(x):", "(x, block=64, *, warps=4):"),
        GOOD.replace("(x):", "(x: torch.Tensor, /) -> torch.Tensor:"),
        with_import("from __future__ import annotations"),
        with_import("import math, functools\nfrom typing import Any"),
        with_import("from triton.tools.tensor_descriptor import TensorDescriptor"),
        with_body("sms = triton.runtime.driver.active.utils.get_device_properties(0)"),
        with_body("dtype = getattr(x, 'dtype', None)"),
        with_body("x = x.contiguous().view(-1, x.shape[-1])"),
        # Dead weight: a reference for the author's own tests, which the entry never calls.
        GOOD + "\n\ndef _expected(x):\n    return torch.softmax(x, -1)\n",
        # The author's own check, which runs nowhere but at the author's.
        GOOD + MAIN_BLOCK,
    ],
)
def test_lets_ordinary_kernels_through(source, softmax_problem):
    assert screen(source, softmax_problem) is None


@pytest.mark.parametrize(
    "source",
    [
        with_import('__name__ = "__main__"') + MAIN_BLOCK,
        GOOD + MAIN_BLOCK.replace('== "__main__"', '!= "__main__"'),
        GOOD + MAIN_BLOCK.replace('== "__main__"', '== "__main__" or True'),
        GOOD + MAIN_BLOCK + "else:\n    import os\n",
        GOOD + MAIN_BLOCK.replace("if __name__", "else_ = 1\nwhile __name__"),
        with_import("from math import pi as __name__") + MAIN_BLOCK,
        with_import("def __name__(): pass") + MAIN_BLOCK,
    ],
)
def test_reads_a_main_block_that_could_run_after_all(source, softmax_problem):
    assert screen(source, softmax_problem) is not None


def test_mixed_policy_allows_library_kernels(softmax_problem):
    mixed = dataclasses.replace(softmax_problem, policy="mixed")
    assert screen(with_body("x = torch.softmax(x @ x.t(), -1)"), mixed) is None
    assert screen(with_import("import os"), mixed) is not None


def test_names_every_fault_in_the_order_of_lines(softmax_problem):
    source = with_import("import os").replace("    return y", "    eval('1')\n    return y")
    lines = screen(source, softmax_problem).detail.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["kernel.py:1", "kernel.py:16"]
