"""The loop with a scripted model and judge: phases, the best, and every way to end."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from runner.contract import Budget, Candidate, Evaluation, EvaluationStatus, Feedback
from runner.errors import ModelError, RunnerError
from runner.extract import extract_candidate
from runner.journal import ParentEvaluated
from runner.judging import ThreadJudges
from runner.loop import Loop
from runner.loop_io import Tools
from runner.prompts.questions import PromptContext
from runner.task import Task


class Rig:
    """A loop with its fakes, and what it emitted and saved."""

    def __init__(self, fakes, problem, *, answers, verdicts, budget=None, seconds=0.0, **task):
        self.task = Task(problem=problem, budget=budget or Budget(wall_clock_s=60), **task)
        self.clock = fakes.Clock()
        self.model = fakes.Model(answers, clock=self.clock, seconds=seconds)
        self.judge = fakes.Judge(verdicts)
        self.events = []
        self.saved = []
        tools = Tools(
            model=self.model,
            judges=ThreadJudges(self.judge, self.clock),
            emit=self.events.append,
            save_best=self.saved.append,
            clock=self.clock,
            started_s=self.clock.now_s,
            context=PromptContext(task=self.task, triton_version="3.9.0"),
            pause_s=0.0,
        )
        self.loop = None
        self._tools = tools

    def run(self):
        async def main():
            self.loop = Loop(self.task, self._tools)
            return await self.loop.run()

        return asyncio.run(main())


@pytest.fixture
def rig(fakes, double_it):
    def build(tags, verdicts, **options):
        answers = [fakes.kernel_answer(tag) if isinstance(tag, str) else tag for tag in tags]
        return Rig(fakes, double_it, answers=answers, verdicts=verdicts, **options)

    return build


def statuses(result):
    return [str(row.attempt.evaluation.status) for row in result.tried]


def phases(result):
    return [row.attempt.phase for row in result.tried]


def test_explores_repairs_and_then_optimises(rig):
    run = rig("abcd", ["COMPILE_ERROR", "INCORRECT_NUMERICAL", ("PASSED", 64), ("PASSED", 0)])
    result = run.run()
    assert statuses(result) == ["COMPILE_ERROR", "INCORRECT_NUMERICAL", "PASSED", "PASSED"]
    assert phases(result) == ["explore", "repair", "repair", "optimise"]
    assert result.best.attempt.index == 4
    assert [row.attempt.index for row in run.saved] == [3, 4]
    assert result.stopped_because == "no further answer"
    assert result.models == ("scripted",)


def test_each_prompt_carries_the_verifiers_detail_and_the_failing_source(rig):
    run = rig("ab", ["COMPILE_ERROR", "TIMEOUT"])
    run.run()
    second = run.model.prompts[1].text
    assert "detail of attempt 1" in second
    assert "# a\n" in second


def test_a_worse_kernel_that_passes_is_not_kept(rig):
    run = rig("abc", [("PASSED", 8), ("PASSED", 64), ("PASSED", 8)])
    result = run.run()
    assert result.best.attempt.index == 1
    assert [row.attempt.kept for row in result.tried] == [True, False, False]
    assert len(run.saved) == 1


def test_a_failure_after_the_best_does_not_cost_it(rig):
    result = rig("ab", ["PASSED", "RUNTIME_ERROR"]).run()
    assert result.best.attempt.index == 1


def test_nothing_right_is_unsolved(rig):
    result = rig("ab", ["CHEATED", "REJECTED"]).run()
    assert result.best is None


def test_the_same_source_is_not_verified_twice(rig):
    run = rig("aab", ["COMPILE_ERROR", "PASSED"])
    result = run.run()
    assert len(run.judge.candidates) == 2
    assert statuses(result) == ["COMPILE_ERROR", "COMPILE_ERROR", "PASSED"]
    assert "same source as attempt 1" in result.tried[1].attempt.evaluation.summary
    assert result.tried[1].attempt.verifier_s == 0
    assert "source of attempt 1 again" in run.model.prompts[2].text


def test_repeating_the_best_keeps_the_best(rig):
    result = rig("aa", [("PASSED", 5)]).run()
    assert [row.attempt.kept for row in result.tried] == [True, False]
    assert result.best.attempt.index == 1


def test_an_answer_without_kernel_is_an_attempt_that_was_rejected(rig, fakes):
    run = rig([fakes.answer("I cannot do that."), "a"], ["PASSED"])
    result = run.run()
    assert statuses(result) == ["REJECTED", "PASSED"]
    assert "no fenced code block" in run.model.prompts[1].text
    assert len(run.judge.candidates) == 1


def test_an_answer_cut_by_the_endpoint_is_told_so(rig, fakes):
    run = rig([fakes.answer("```python\ndef double_it(x):\n", cut=True), "a"], ["PASSED"])
    run.run()
    assert "at the length limit" in run.model.prompts[1].text


@pytest.mark.parametrize(
    ("budget", "attempts", "reason"),
    [
        (Budget(wall_clock_s=25), 2, "budget spent"),
        (Budget(wall_clock_s=1000, max_attempts=2), 2, "attempts spent"),
        (Budget(wall_clock_s=1000, max_tokens=31), 2, "tokens spent"),
    ],
)
def test_each_limit_ends_the_run_and_keeps_the_best(rig, budget, attempts, reason):
    # Ten seconds and thirty tokens an answer.
    run = rig("abcdef", ["PASSED"] * 6, budget=budget, seconds=10.0)
    result = run.run()
    assert len(result.tried) == attempts
    assert result.stopped_because == reason
    assert result.best.attempt.index == 1


def test_tokens_that_nobody_counted_are_estimated(rig, fakes):
    from runner.contract import TokenUsage

    uncounted = fakes.answer(fakes.kernel_answer("a"), tokens=TokenUsage(), reasoning="x" * 9000)
    run = rig([uncounted, "b"], ["PASSED", "PASSED"], budget=Budget(max_tokens=3000))
    result = run.run()
    assert len(result.tried) == 1
    assert result.stopped_because == "tokens spent"


def test_a_budget_that_is_spent_before_the_first_attempt(rig):
    run = rig("a", ["PASSED"])
    run.clock.advance(100)
    result = run.run()
    assert (result.tried, result.stopped_because) == ((), "budget spent")
    assert result.best is None


def never(prompt):
    return asyncio.sleep(3600)


def test_the_budget_ends_the_wait_for_a_model_that_never_answers(rig):
    # The fake clock stands still, so the wait itself has to end: 0.05 s by the event loop's clock.
    run = rig(["a", never], ["PASSED"], budget=Budget(wall_clock_s=0.05))
    result = run.run()
    assert result.stopped_because == "budget spent"
    assert result.best.attempt.index == 1


def test_stop_ends_the_wait_for_the_model_and_keeps_the_best(rig):
    async def stopped_while_waiting(prompt):
        run.loop.stop("stopped by SIGTERM")
        run.loop.stop("a second reason")
        await asyncio.sleep(3600)

    run = rig(["a", stopped_while_waiting], ["PASSED"])
    result = run.run()
    assert result.stopped_because == "stopped by SIGTERM"
    assert result.best.attempt.index == 1
    assert len(result.tried) == 1


def test_stop_does_not_wait_for_a_verdict(rig):
    release = threading.Event()

    def hang(candidate):
        asyncio.run_coroutine_threadsafe(stop(), event_loop)
        release.wait(10)
        return "PASSED"

    async def stop():
        run.loop.stop("stopped by SIGINT")

    async def note_loop(prompt):
        nonlocal event_loop
        event_loop = asyncio.get_running_loop()
        return run_answer

    event_loop = None
    run = rig([note_loop], [hang])
    run_answer = "```python\ndef double_it(x):\n    return x\n```\n"
    result = run.run()
    release.set()
    assert result.stopped_because == "stopped by SIGINT"
    assert result.tried == ()


def test_model_failure_keeps_the_best_and_says_why(rig):
    result = rig(["a", ModelError("refused the key (401)")], ["PASSED"]).run()
    assert result.stopped_because == "the model failed: refused the key (401)"
    assert result.best.attempt.index == 1


def test_model_failure_before_any_attempt_is_an_error(rig):
    with pytest.raises(ModelError, match="refused the key"):
        rig([ModelError("refused the key (401)")], []).run()


def test_verifier_failure_keeps_the_best(rig):
    result = rig("ab", ["PASSED", RunnerError("no worker starts")]).run()
    assert result.stopped_because == "the runner failed: no worker starts"
    assert result.best.attempt.index == 1


def test_a_fault_of_our_own_keeps_the_best_and_is_not_hidden(rig):
    result = rig("ab", ["PASSED", ZeroDivisionError("oops")]).run()
    assert result.stopped_because == "the runner failed: ZeroDivisionError: oops"
    assert result.best.attempt.index == 1
    with pytest.raises(ZeroDivisionError):
        rig("a", [ZeroDivisionError("oops")]).run()


def test_the_best_is_saved_before_the_attempt_is_announced(rig, double_it):
    run = rig("a", ["PASSED"])
    order = []
    run._tools = replace(
        run._tools,
        emit=lambda event: order.append(event.event),
        save_best=lambda best: order.append("saved"),
    )
    run.run()
    assert order[:4] == ["prompt_sent", "answer_received", "saved", "attempt_finished"]


PARENT = extract_candidate(
    "```python\n# parent\ndef double_it(x):\n    return x.parent\n```",
    entry="double_it",
    attempt=0,
    cut=False,
)
REVIEW = {"parent": PARENT, "feedback": Feedback(author="ann", text="Use strides.")}


def test_review_round_judges_the_parent_but_delivers_a_new_kernel(rig):
    # The parent has no spills at all; the new kernel has some and is the best all the same.
    run = rig("ab", [("PASSED", 0), "INCORRECT_NUMERICAL", ("PASSED", 99)], **REVIEW)
    result = run.run()
    assert phases(result) == ["review", "repair"]
    assert result.best.attempt.index == 2
    assert result.parent.candidate_sha256 == PARENT.sha256
    assert [c.attempt for c in run.judge.candidates] == [0, 1, 2]
    assert any(isinstance(event, ParentEvaluated) for event in run.events)
    assert all("Use strides." in prompt.text for prompt in run.model.prompts)


def test_review_round_without_a_new_kernel_is_unsolved(rig):
    result = rig("a", ["PASSED", "COMPILE_ERROR"], **REVIEW).run()
    assert result.best is None
    assert result.parent.status is EvaluationStatus.PASSED


def test_the_unchanged_parent_answers_no_review(rig):
    run = rig(["parent"], ["PASSED"], **REVIEW)
    result = run.run()
    assert statuses(result) == ["REJECTED"]
    assert "unchanged" in result.tried[0].attempt.evaluation.summary
    assert result.best is None


def test_a_parent_that_cannot_be_judged_ends_nothing(rig):
    result = rig("a", [RunnerError("flaky machine"), "PASSED"], **REVIEW).run()
    assert result.parent is None
    assert result.best.attempt.index == 1


def test_evaluations_are_about_the_candidate_that_was_delivered(rig):
    result = rig("a", ["PASSED"]).run()
    best = result.best
    assert isinstance(best.candidate, Candidate)
    assert isinstance(best.attempt.evaluation, Evaluation)
    assert best.attempt.evaluation.candidate_sha256 == best.candidate.sha256
