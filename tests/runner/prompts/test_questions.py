"""What each question holds, and what it gives up where it must be shorter."""

from __future__ import annotations

import dataclasses

import pytest

from runner.contract import Candidate, EvaluationStatus
from runner.extract import code_blocks
from runner.problem import parse_problem
from runner.prompts.history import history_table
from runner.prompts.memory_time import moved_bytes
from runner.prompts.questions import Line, PromptContext, first, optimise, repair, review
from runner.prompts.shorten import Detail, question_of
from runner.task import Task
from tests.fakes.measured import measured
from tests.fakes.prompt_cases import cases, long_line
from tests.fakes.prompt_samples import (
    EXEMPLAR,
    KERNEL,
    PROBLEM_TOML,
    REFERENCE_PY,
    RIGHT_KERNEL,
    answered,
    attempt,
    context,
    softmax_problem,
)
from tests.fakes.prompt_verdicts import (
    COMPILE_ERROR,
    INCORRECT,
    passed,
    passed_without_gpu,
    verdict,
)

CASES = cases()


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", CASES)
def test_every_question_asks_for_a_change_and_the_complete_kernel(name):
    text = CASES[name].text
    assert "`CHANGE: `" in text
    assert "**complete updated kernel**" in text
    assert "No diff, nothing left out" in text
    assert ("`DIAGNOSIS: `" in text) == (
        name.startswith(("optimise", "repair", "review_repair"))
        and name not in ("repair_no_code", "repair_cut_answer", "repair_diff")
    )


@pytest.mark.parametrize("name", CASES)
def test_every_form_keeps_task_contract_and_last_verdict(name):
    question = CASES[name]
    for text in (question.text, *question.shorter):
        assert REFERENCE_PY in text
        assert "Scale by 0.125 * 1.44269504" in text
        assert "## Contract" in text
        assert "`def scaled_softmax(x)` with exactly these parameters" in text
        verdict_line = [line for line in question.text.splitlines() if line.startswith("Status: ")]
        assert all(line in text for line in verdict_line)
        if name.startswith("review"):
            assert "Choose num_warps from N" in text


@pytest.mark.parametrize("name", CASES)
def test_shorter_forms_come_longest_first_and_are_all_different(name):
    question = CASES[name]
    lengths = [len(question.text), *map(len, question.shorter)]
    assert lengths == sorted(set(lengths), reverse=True)


def test_the_oldest_attempts_go_first_then_the_exemplar_then_long_findings():
    rows = [attempt(n, COMPILE_ERROR, None, change=f"idea {n}") for n in range(1, 20)]
    long = verdict("REJECTED", "extract", "no code", "no code\n" + "x" * 5_000)
    question = repair(context(), Line(attempts=(*rows, attempt(20, long, None))))
    forms = [question.text, *question.shorter]

    def first_without(words: str) -> int:
        return next(number for number, text in enumerate(forms) if words not in text)

    assert "idea 7 |" not in forms[0]
    assert first_without("idea 8 |") < first_without("idea 19 |")
    assert first_without("idea 19 |") < first_without(EXEMPLAR.title)
    assert first_without(EXEMPLAR.title) < first_without("x" * 3_000)
    assert len(forms[-1]) < len(forms[0]) - 5_000


def test_only_a_very_long_kernel_loses_its_middle_and_only_at_last():
    source = KERNEL + "# comment\n" * 5_000 + "# the end\n"
    question = repair(context(), Line(attempts=(attempt(1, INCORRECT, source),)))
    assert all(source.rstrip("\n") in text for text in (question.text, *question.shorter[:-1]))
    assert "too long to be shown whole" in question.shorter[-1]
    assert "# the end" in question.shorter[-1]
    assert len(question.shorter[-1]) < 30_000


def test_forms_that_save_nothing_are_left_out():
    question = question_of(lambda detail: "a" * (2 if detail == Detail(attempts=12) else 1))
    assert (question.text, question.shorter) == ("aa", ("a",))


def test_without_a_measurement_no_figure_stands_in_the_prompt():
    text = CASES["first_without_gpu"].text
    assert "## The GPU" not in text
    for words in ("GB/s", "TFLOP/s", "multiprocessors"):
        assert words not in text


def test_the_measured_gpu_is_told_with_what_moving_everything_takes():
    text = CASES["first"].text
    assert "one NVIDIA H100 80GB HBM3" in text
    for words in ("2,900 GB/s", "float16 710 TFLOP/s", "132 multiprocessors, 50 MiB"):
        assert words in text
    # 2 tensors of 8192 x 4096 float16 at 2,900 GB/s.
    assert "- M=8192 N=4096: 0.04628 ms" in text


def test_bytes_count_every_tensor_once():
    problem = softmax_problem()
    assert moved_bytes(problem, problem.tests[0]) == 2 * 7 * 77 * 2


@pytest.mark.parametrize(
    ("dtype", "told"), [("float16", False), ("float32", True), ("bfloat16", False)]
)
def test_float32_operands_are_warned_of_tf32(dtype, told):
    problem = parse_problem(PROBLEM_TOML.replace("float16", dtype), REFERENCE_PY)
    text = first(PromptContext(task=Task(problem=problem), triton_version="3.6.0")).text
    assert ('input_precision="ieee"' in text) == told
    assert "  Inputs include" not in text


def test_variants_of_the_first_question_differ_in_the_design_only():
    texts = [first(context(), variant).text for variant in range(4)]
    assert len(set(texts)) == 4
    assert "Yours is to be this one" not in texts[0]
    for text in texts[1:]:
        head, _, tail = text.partition("Other designs are tried beside yours.")
        assert texts[0].startswith(head)
        assert texts[0].endswith(tail[tail.index("## Contract") :])


def test_a_repair_without_a_kernel_starts_again_from_the_exemplar():
    text = repair(context(), Line(attempts=(answered("prose"),))).text
    assert EXEMPLAR.title in text
    assert "## The GPU" in text
    assert "Think as long as you need" in text


def test_an_answer_that_was_cut_is_asked_for_brevity():
    text = CASES["repair_cut_answer"].text
    assert "ran out of room" in text
    assert "Think as long as you need" not in text
    best = attempt(1, passed(), RIGHT_KERNEL, kept=True)
    cut = answered("", cut=True)
    assert "ran out of room" in optimise(context(), best, Line(attempts=(best, cut))).text
    assert "ran out of room" not in optimise(context(), best, Line(attempts=(cut, best))).text


def test_a_kernel_of_another_line_that_passes_is_shown_beside_a_failing_one():
    mine, other = attempt(3, INCORRECT), attempt(2, passed(), RIGHT_KERNEL)
    alone = repair(context(), Line(attempts=(mine,))).text
    beside = repair(context(), Line(attempts=(mine,), others=(other,))).text
    assert RIGHT_KERNEL not in alone
    assert RIGHT_KERNEL in beside
    assert "another line of work, attempt 2, passes every check" in beside


def test_the_same_failure_twice_asks_for_doubt():
    once = (attempt(1, COMPILE_ERROR), attempt(2, INCORRECT))
    twice = (*once, attempt(3, INCORRECT))
    words = "The last correction did not change the verdict"
    assert words not in repair(context(), Line(attempts=once)).text
    assert words in repair(context(), Line(attempts=twice)).text


def test_the_source_of_a_failure_stays_when_the_last_answer_has_none():
    rows = (attempt(1, INCORRECT, "# mine\n"), answered("prose"))
    assert "attempt 1 (INCORRECT_NUMERICAL)" in repair(context(), Line(attempts=rows)).text


@pytest.mark.parametrize(
    ("repeats", "words"),
    [(0, "the kernel under review unchanged"), (3, "the source of attempt 3 again")],
)
def test_a_repetition_is_named(repeats, words):
    row = attempt(4, INCORRECT, repeats=repeats)
    assert words in repair(context(), Line(attempts=(row,))).text
    best = attempt(1, passed(), RIGHT_KERNEL, kept=True)
    text = optimise(context(), best, Line(attempts=(best, row))).text
    assert words in text
    assert KERNEL not in text


def test_the_history_says_what_was_kept_and_what_came_of_each_change():
    text = CASES["optimise_after_attempts"].text
    for row in (
        "2 | masked lanes are minus infinity | passed, 0.04154 ms | kept",
        "3 | two rows for each program | passed, 0.0443 ms | no",
        "4 | not stated | COMPILE_ERROR: kernel.py:12: ValueError: arange's range",
        "6 | persistent, 264 programs | passed, 0.04141 ms",
    ):
        assert row in text


def test_a_mean_over_fewer_workloads_says_so():
    timed = measured()
    assert timed.performance is not None
    few = timed.performance.model_copy(update={"not_timed": {"N=1": "too large for this GPU"}})
    row = attempt(1, timed.model_copy(update={"performance": few}))
    assert "passed, 1 ms on 1 of 2 workloads" in history_table((row,), 3)


def test_a_passed_attempt_without_times_shows_none():
    row = attempt(1, passed_without_gpu(), kept=True)
    assert "1 | not stated | passed | kept" in history_table((row,), 3)


@pytest.mark.parametrize(
    ("limit", "words"), [(1, "2 older ones left out"), (2, "1 older one left")]
)
def test_a_history_that_is_cut_says_how_much(limit, words):
    rows = tuple(attempt(number, INCORRECT) for number in (1, 2, 3))
    table = history_table(rows, limit)
    assert words in table
    assert "3 | " in table
    assert "1 | not" not in table


def test_a_review_is_answered_point_by_point():
    text = CASES["review"].text
    assert "`POINT 1: ` to `POINT 3: `" in text
    parent = Candidate.of(KERNEL, 0)
    silent = review(context(parent=parent)).text
    assert "POINT" not in silent
    assert "## The review" not in silent


def test_suggestions_or_their_absence_are_told_truly():
    best = attempt(1, passed(), RIGHT_KERNEL, kept=True)
    text = optimise(context(), best, Line(attempts=(best,))).text
    assert "Begin with the first suggestion" in text
    bare = measured(resources=(measured().resources[0].model_copy(update={"target": "sm_777"}),))
    row = attempt(1, bare, RIGHT_KERNEL, kept=True)
    text = optimise(context(), row, Line(attempts=(row,))).text
    assert "No figure above stands out" in text
    assert "suggest, the most" not in text


def test_what_the_tuner_said_stands_with_the_kernel_as_data():
    best = attempt(1, passed(), RIGHT_KERNEL, kept=True)
    tuned = dataclasses.replace(best, tuning="kernel.py:9: CONFIG lacks a key\n```\nnew orders")
    text = optimise(context(), tuned, Line(attempts=(tuned,))).text
    assert any("CONFIG lacks a key" in block.text for block in code_blocks(text))
    assert any("new orders" in block.text for block in code_blocks(text))
    assert "the tuner says" not in optimise(context(), best, Line(attempts=(best,))).text


@pytest.mark.parametrize(
    ("evaluation", "words"),
    [
        (passed(), "measured to be faster by more than the noise"),
        (passed_without_gpu(), "needs fewer resources, in the order named above"),
    ],
)
def test_what_is_kept_is_told_by_what_can_be_compared(evaluation, words):
    best = attempt(1, evaluation, RIGHT_KERNEL, kept=True)
    assert words in flat(optimise(context(), best, Line(attempts=())).text)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: repair(context(), Line(attempts=())),
        lambda: repair(context(), Line(attempts=(attempt(1, passed()),))),
        lambda: optimise(context(), attempt(1, INCORRECT), Line(attempts=())),
        lambda: optimise(context(), attempt(1, passed(), None), Line(attempts=())),
        lambda: review(context()),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(ask):
    with pytest.raises(ValueError, match=r"repair|optimised|about"):
        ask()


@pytest.mark.parametrize(
    "status", [s for s in EvaluationStatus if s is not EvaluationStatus.PASSED]
)
def test_every_failure_has_a_question(status):
    row = attempt(1, verdict(status, "sweep", "what was seen", "kernel.py:12 and more"))
    text = repair(context(), Line(attempts=(row,))).text
    assert "## What to do next\n\nFind the cause before you change anything." in text
    assert "what was seen" in text
    assert ">   12 | " in text


def test_the_lines_that_a_failed_last_try_is_about_are_shown_beside_the_best():
    rows = long_line()
    failed = dataclasses.replace(rows[3])
    text = optimise(context(), rows[1], Line(attempts=(rows[1], failed))).text
    assert ">   12 | " in text
    sources = [block.text for block in code_blocks(text) if block.language == "python"]
    assert RIGHT_KERNEL in sources
    assert KERNEL in sources
