"""Each kind of finding leads to its own next step, in the words that the verifier really uses."""

from __future__ import annotations

import pytest

from runner.contract import Evaluation, EvaluationStatus
from runner.extract import NoKernel, extract_candidate, rejection
from runner.prompts.remedies import not_a_kernel, ran_out_of_room, remedies, remedy_for
from runner.verifier.integrity import Facts, judge_integrity
from runner.verifier.screen import screen
from tests.fakes.prompt_samples import KERNEL, softmax_problem
from tests.fakes.prompt_verdicts import verdict

FAILURES = [status for status in EvaluationStatus if status is not EvaluationStatus.PASSED]


def answered(content: str, *, cut: bool = False) -> Evaluation:
    failure = extract_candidate(content, entry="scaled_softmax", attempt=1, cut=cut)
    assert isinstance(failure, NoKernel)
    return rejection(failure, content)


@pytest.mark.parametrize("status", FAILURES)
def test_every_failure_ends_with_a_general_step(status):
    rows = remedies()[status]
    assert [row.when is None for row in rows] == [False] * (len(rows) - 1) + [True]
    assert remedy_for(verdict(status, "sweep", "something new")) == rows[-1].step


def test_a_step_is_one_paragraph_said_once():
    steps = [row.step for rows in remedies().values() for row in rows]
    assert len(set(steps)) == len(steps)
    assert not any("\n" in step or "  " in step for step in steps)


DIFF = "```diff\n--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n```\n"


@pytest.mark.parametrize(
    ("content", "cut", "words"),
    [
        ("No code at all.", False, "Decide on one design"),
        ("", False, "Decide on one design"),
        ("", True, "Take the simplest design"),
        ("```python\nx = 1\n", True, "Take the simplest design"),
        ("```python\nx = 1\n", False, "The code block was not closed"),
        (DIFF, False, "Write the whole new file"),
        ("```python\nx = 1\n```\n", False, "no file with the entry function"),
        ("```python\nx = 1\n```\n" * 3, False, "no file with the entry function"),
        (f"```python\n{KERNEL}#{'x' * 300_000}\n```\n", False, "Write a shorter file"),
    ],
)
def test_an_answer_without_a_kernel_is_told_what_was_missing(content, cut, words):
    evaluation = answered(content, cut=cut)
    assert words in remedy_for(evaluation)
    assert not_a_kernel(evaluation)
    assert ran_out_of_room(evaluation) == cut


ENTRY = "def scaled_softmax(x):\n"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("mask = cols < N\n", "mask = (cols < N\n", "no valid Python"),
        (ENTRY, "def softmax(x):\n", "exactly the name"),
        (ENTRY, "def scaled_softmax(x, scale):\n", "exactly the name"),
        ("@triton.jit\n", "", "Two functions are needed"),
        ("    M, N = x.shape\n", "    return torch.softmax(x, -1)\n", "Move what the named line"),
        ("    M, N = x.shape\n", "    return x @ x\n", "Move what the named line"),
        ("import torch\n", "import os\nimport torch\n", "Remove the named construct"),
        ("    M, N = x.shape\n", "    M, N = eval('x.shape')\n", "Remove the named construct"),
        ("    M, N = x.shape\n", "    torch.empty = x\n", "Remove the named construct"),
    ],
)
def test_a_screened_kernel_is_told_what_to_correct(old, new, words):
    assert old in KERNEL
    finding = screen(KERNEL.replace(old, new), softmax_problem())
    assert finding is not None
    evaluation = verdict("REJECTED", finding.stage, finding.summary, finding.detail)
    assert words in remedy_for(evaluation)
    assert not not_a_kernel(evaluation)


@pytest.mark.parametrize(
    ("operations", "launches", "changed", "words"),
    [
        ({"aten::mm": 1}, {"k": 1}, (), "code of your own"),
        ({"Tensor.numpy": 1}, {"k": 1}, (), "code of your own"),
        ({}, {}, (), "Launch your own kernel on every path"),
        ({}, {"k": 1}, ("x",), "no store uses the pointer"),
        ({"aten::_local_scalar_dense": 99}, {"k": 1}, (), "Do not read tensor values"),
    ],
)
def test_what_ran_decides_the_step_after_a_cheat(operations, launches, changed, words):
    finding = judge_integrity(
        Facts(launches=launches, operations=operations, configs={}), list(changed)
    )
    assert finding is not None
    assert words in remedy_for(verdict("CHEATED", "integrity", finding.summary, finding.detail))


# The words of Triton (its semantic.py, code_generator.py, errors.py) and of the later stages.
SAID = [
    ("COMPILE_ERROR", "arange's range must be a power of 2", "power of two"),
    ("COMPILE_ERROR", "arange's arguments must be of type tl.constexpr", "Declare it as"),
    ("COMPILE_ERROR", "Loop-carried variable acc has initial type float16", "final dtype"),
    ("COMPILE_ERROR", "Mismatched type for x between then block", "final dtype"),
    ("COMPILE_ERROR", "Cannot make_shape_compatible: incompatible dimensions", "shape of each"),
    ("COMPILE_ERROR", "Input shapes should have M >= 1, N >= 1 and K >= 16", "each dimension 16"),
    (
        "COMPILE_ERROR",
        "NameError(Cannot access global variable EPS: make it a tl.constexpr",
        "module-level",
    ),
    ("COMPILE_ERROR", "NameError('cdiv is not defined')", "no such name"),
    ("COMPILE_ERROR", "module 'triton.language' has no attribute 'tanh'", "no such name"),
    ("COMPILE_ERROR", "Unsupported ptr type <[64], fp32> in `tl.load`", "instead of a pointer"),
    (
        "COMPILE_ERROR",
        "out of resource: shared memory, Required: 327680, Hardware limit: 232448",
        "more shared memory",
    ),
    ("RUNTIME_ERROR", "wrote outside its output y (2 bytes after its end)", "left its tensor"),
    ("RUNTIME_ERROR", "compute-sanitizer memcheck: Invalid __global__ write", "left its tensor"),
    ("RUNTIME_ERROR", "out of resource: shared memory, Required: 327680", "halve one block"),
    ("RUNTIME_ERROR", "OutOfMemoryError: CUDA out of memory", "allocates too much"),
    ("RUNTIME_ERROR", "the candidate's process failed on M=7 N=77: it was killed", "int64"),
    ("RUNTIME_ERROR", "CUDA error: an illegal memory access was encountered", "int64"),
    ("INCORRECT_NUMERICAL", "differs from run to run: y: 3 of 8 elements", "read before it is"),
    ("CHEATED", "it works on another stream than the caller's", "current stream"),
    ("CHEATED", "it left 2 thread(s) running behind the call", "current stream"),
    ("CHEATED", "0.01 ms on N=64 is faster than this GPU can move the data", "not the whole work"),
    ("CHEATED", "its own kernels took 0.1% of the GPU's time", "do the work itself"),
    ("TIMEOUT", "compilation did not finish in time", "Unroll less"),
    ("TIMEOUT", "the candidate did not finish in time on M=7", "how many turns each loop"),
]


@pytest.mark.parametrize(("status", "said", "words"), SAID)
def test_the_words_of_a_finding_choose_the_step(status, said, words):
    assert words in remedy_for(verdict(status, "sweep", said))
    assert words in remedy_for(verdict(status, "sweep", "on M=7", f"{said}\nOn M=7."))


# The words of `runner.verifier.patterns` and `causes`, checked there against real numbers.
CLUES = [
    ("which has 100: the last, partial tile of 64", "Correct the masks"),
    ("right where N is a multiple of 64, wrong where it is not (N = 77)", "Correct the masks"),
    ("which has 100: everything after 1 tile(s) of 64", "carried from one turn"),
    ("look at what happens beyond the first block, or when a loop runs a second time", "carried"),
    ("all wrong elements are NaN: never written", "where a NaN can begin"),
    ("1 of the wrong elements are infinite", "overflows"),
    ("found is about 0.125 times expected: a factor is missing", "term by term"),
    ("found is expected +1 everywhere: a term is missing", "term by term"),
    ("found is the transpose of expected", "in the wrong place"),
    ("found is what output b should be: two outputs are swapped", "in the wrong place"),
    ("an index is off by one", "in the wrong place"),
    ("as if computed in half precision (float16 or TF32, 11 bits)", "rounded too early"),
    ("all wrong elements are 0: written before", "hold no result"),
    ("every element wrong (100 %)\n- all wrong elements are 0", "hold no result"),
    ("every element wrong (100 %)", "reaches nearly every element"),
    ("520 of 539 elements wrong (96.5 %)", "reaches nearly every element"),
    ("3 of 539 elements wrong (0.56 %)", "first wrong element that is named"),
    ("every element is within its own budget, but the errors together are too large", "precise"),
]


@pytest.mark.parametrize(("clue", "words"), CLUES)
def test_where_the_numbers_differ_chooses_the_step(clue, words):
    detail = f"Output y on M=7 N=77 [normal]:\n- {clue}"
    said = verdict("INCORRECT_NUMERICAL", "sweep", "y: 3 of 8 elements wrong on M=7", detail)
    assert words in remedy_for(said)


def test_every_row_on_a_kernel_that_ran_is_seen_above():
    said = [*SAID, *(("INCORRECT_NUMERICAL", clue, words) for clue, words in CLUES)]
    seen = {remedy_for(verdict(status, "sweep", f"- {text}")) for status, text, _ in said}
    for status, rows in remedies().items():
        if status not in ("REJECTED", "CHEATED"):  # these two meet the verifier's own code above
            assert {row.step for row in rows if row.when is not None} <= seen


def test_the_summary_outweighs_what_the_detail_quotes():
    said = verdict("COMPILE_ERROR", "compile", "x is not defined", "tl.constexpr power of 2")
    assert "no such name" in remedy_for(said)
