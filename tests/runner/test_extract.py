"""From answers to candidates: every shape an answer comes in."""

from __future__ import annotations

import pytest

from runner.bundle import MAX_KERNEL_BYTES
from runner.contract import Candidate, EvaluationStatus, sha256_hex
from runner.extract import NoKernel, defines, extract_candidate, rejection

KERNEL = "import torch\n\n\ndef f(x):\n    return x\n"


def block(source: str, language: str = "python", fence: str = "```") -> str:
    return f"{fence}{language}\n{source}{fence}\n"


def extract(content: str, *, cut: bool = False):
    return extract_candidate(content, entry="f", attempt=3, cut=cut)


@pytest.mark.parametrize(
    ("content", "source"),
    [
        pytest.param(f"Here:\n\n{block(KERNEL)}\nDone.", KERNEL, id="one block"),
        pytest.param(block(KERNEL, "py"), KERNEL, id="py"),
        pytest.param(block(KERNEL, ""), KERNEL, id="no language"),
        pytest.param(block(KERNEL, "Python title=kernel.py"), KERNEL, id="info string"),
        pytest.param(block(KERNEL, fence="~~~"), KERNEL, id="tildes"),
        pytest.param(
            block("def f(x):\n    return 0\n") + "Better:\n" + block(KERNEL), KERNEL, id="last wins"
        ),
        pytest.param(
            block("def f(x):\n    return 0\n") * 2 + "At last:\n" + block(KERNEL),
            KERNEL,
            id="the last of three",
        ),
        pytest.param(
            block("--- a\n+++ b\n@@ -1 +1 @@\n-def f(x):\n+def f(y):\n", "diff") + block(KERNEL),
            KERNEL,
            id="a diff, then the whole kernel",
        ),
        pytest.param(
            block(KERNEL) + "Use it so:\n" + block("print(f(1))\n"), KERNEL, id="usage after it"
        ),
        pytest.param(
            block(KERNEL) + block("def f(x): pass\n", "cuda"),
            KERNEL,
            id="another language after it",
        ),
        pytest.param(
            "````python\ndef f(x):\n    '''\n```\n    '''\n````\n",
            "def f(x):\n    '''\n```\n    '''\n",
            id="a longer fence holds a shorter one",
        ),
        pytest.param(
            "1. First\n   ```python\n   def f(x):\n       return x\n   ```\n",
            "def f(x):\n    return x\n",
            id="within a list",
        ),
        pytest.param(block(KERNEL).replace("\n", "\r\n"), KERNEL, id="CRLF"),
        pytest.param(
            block("def f(x:\n    return\n"), "def f(x:\n    return\n", id="left to the screen"
        ),
        pytest.param(block(KERNEL) + "```python\nhalf", KERNEL, id="cut after a whole kernel"),
    ],
)
def test_takes_the_last_complete_block_that_defines_the_entry(content, source):
    found = extract(content)
    assert isinstance(found, Candidate)
    assert found.source == source
    assert found.attempt == 3


@pytest.mark.parametrize(
    ("content", "cut", "words"),
    [
        pytest.param("", False, "empty after the thinking", id="nothing"),
        pytest.param("  \n", True, "cut at the length limit before the kernel", id="all thought"),
        pytest.param("I cannot.", False, "no fenced code block", id="prose"),
        pytest.param(KERNEL, False, "no fenced code block", id="bare code"),
        pytest.param("```python\ndef f(x):\n", False, "before its end", id="unclosed"),
        pytest.param("```python\ndef f(x):\n", True, "at the length limit", id="cut"),
        pytest.param(
            block("--- a/kernel.py\n+++ b/kernel.py\n@@ -1 +1 @@\n-a\n+b\n", "diff"),
            False,
            "is a diff",
            id="diff",
        ),
        pytest.param(
            block("@@ -1,3 +1,3 @@\n def f(x):\n-a\n+b\n", "python"),
            False,
            "is a diff",
            id="diff called Python",
        ),
        pytest.param(
            "diff --git a/kernel.py b/kernel.py\n@@ -1,2 +1,2 @@\n def f(x):\n-    a\n+    b\n",
            False,
            "is a diff",
            id="diff without a block",
        ),
        pytest.param(
            block("+def f(x):\n+    return x\n", "python"),
            False,
            "is a diff",
            id="lines that are only added",
        ),
        pytest.param(
            "```python\n" + "x = 1\n" * 30_000, False, "before its end", id="200 kB without an end"
        ),
        pytest.param(
            block("def g(x): pass\n"), False, "code block of Python never", id="other name"
        ),
        pytest.param(
            block("def g(x): pass\n") * 3, False, "3 code blocks of Python never", id="three blocks"
        ),
        pytest.param(
            block("class A:\n    def f(self): pass\n"), False, "never define `f`", id="a method"
        ),
        pytest.param(block("f = 1\x00\n"), False, "never define", id="NUL byte"),
        pytest.param(
            block("def f(x):\n    return x\n" + "#" * MAX_KERNEL_BYTES + "\n"),
            False,
            f"at most {MAX_KERNEL_BYTES}",
            id="too large",
        ),
    ],
)
def test_says_why_there_is_no_kernel(content, cut, words):
    found = extract(content, cut=cut)
    assert isinstance(found, NoKernel)
    assert words in found.reason
    evaluation = rejection(found, content)
    assert evaluation.status is EvaluationStatus.REJECTED
    assert evaluation.stage == "extract"
    assert evaluation.candidate_sha256 == sha256_hex(content)


def test_half_a_surrogate_pair_is_replaced_before_the_digest():
    found = extract(block("def f(x):\n    return '\ud800'\n"))
    assert isinstance(found, Candidate)
    assert "'?'" in found.source
    assert rejection(NoKernel("x"), "\ud800").status is EvaluationStatus.REJECTED


def test_code_nested_beyond_the_parser_is_no_crash():
    assert not defines("x = " + "(" * 20_000, "f")
    assert defines("def f(x):\n    return " + "(" * 20_000, "f")


def test_a_class_may_be_what_a_problem_asks_for():
    found = extract(block("import torch\n\n\nclass f(torch.nn.Module):\n    pass\n"))
    assert isinstance(found, Candidate)
    assert defines("class f:\n    return " + "(" * 20_000, "f")
    assert not defines("class fg:\n    pass\n", "f")
