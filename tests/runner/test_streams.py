"""Several streams in one loop: what they share, what one failure ends, and the tune phase."""

from __future__ import annotations

import asyncio
import threading

import pytest

from runner.contract import Budget, Candidate
from runner.errors import EndpointError, ModelError, RunnerError
from runner.journal import Alive, ModelFailed, PromptSent, TuneFinished, TuneSkipped
from runner.judging import ThreadJudges
from runner.loop import AT_ROOFLINE, Loop
from runner.loop_io import Tools
from runner.prompts.questions import PromptContext
from runner.task import Task
from runner.tune.types import Tuned, untuned
from runner.tune_phase import declares_tunables
from tests.fakes.measured import measured, timing

TUNABLE = "TUNABLES = {'B': [1, 2]}\nCONFIG = {'B': 1}\n\n\ndef double_it(x):\n    return x\n"
FROZEN = "CONFIG = {'B': 2}\n\n\ndef double_it(x):\n    return x\n"


def down(kind="unreachable"):
    return EndpointError(f"no answer: {kind}", kind=kind, tries=8)


class Asked:
    """The rig's face as a model."""

    def __init__(self, rig):
        self._rig = rig
        self.name = "rig"

    async def answer(self, prompt, progress=None):
        return await self._rig.answer_of(prompt)


class Rig:
    """A loop whose model answers by attempt, and whose judge is a function of the candidate."""

    def __init__(self, fakes, problem, answer, judge, *, tune=None, parent=None, **budget):
        self.fakes = fakes
        self.answer = answer
        self.judge = judge
        self.events = []
        self.saved = []
        self.asked = []
        self.task = Task(
            problem=problem,
            parent=parent,
            budget=Budget(**{"wall_clock_s": 20, "streams": 3, **budget}),
        )
        clock = fakes.Clock()
        self.judges = ThreadJudges(self, clock, tune=tune)
        self.tools = Tools(
            model=Asked(self),
            judges=self.judges,
            emit=self.events.append,
            save_best=self.saved.append,
            clock=clock,
            started_s=clock.now_s,
            context=PromptContext(task=self.task, triton_version="3.9.0"),
            pause_s=0.0,
            alive_s=0.01,
        )
        self.candidates = []

    async def answer_of(self, prompt):
        self.asked.append(prompt.attempt)
        said = self.answer(prompt.attempt, self)
        said = await said if asyncio.iscoroutine(said) else said
        if isinstance(said, Exception):
            raise said
        return self.fakes.answer(said)

    def verify(self, candidate: Candidate):
        self.candidates.append(candidate)
        return self.judge(candidate, self)

    def rank(self, evaluation):
        return (float(evaluation.resources[0].spill_bytes),)

    def run(self):
        self.loop = Loop(self.task, self.tools)
        return asyncio.run(self.loop.run())

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def rig(fakes, double_it):
    def build(answer=None, judge=None, **options):
        def passes(candidate, rig):
            return fakes.evaluation("PASSED", candidate, spills=candidate.attempt)

        def by_number(attempt, rig):
            return fakes.kernel_answer(f"n{attempt}")

        return Rig(fakes, double_it, answer or by_number, judge or passes, **options)

    return build


def block(source):
    return f"```python\n{source}```\n"


def numbers(result):
    return [row.attempt.index for row in result.tried]


def test_streams_begin_together_and_in_different_ways(rig):
    run = rig(max_attempts=3)
    assert numbers(run.run()) == [1, 2, 3]
    sent = run.of(PromptSent)
    assert [(event.stream, event.line, event.variant) for event in sent] == [
        (1, 1, 0),
        (2, 2, 1),
        (3, 3, 2),
    ]
    assert len({event.text for event in sent}) == 3


def test_the_limit_on_attempts_is_exact_with_many_streams(rig):
    result = rig(max_attempts=7, streams=4).run()
    assert numbers(result) == list(range(1, 8))
    assert result.stopped_because == "attempts spent"


def test_a_source_that_is_being_verified_is_not_verified_again(rig, fakes):
    async def same(attempt, rig):
        # The second answer comes while the first one's verdict is under way.
        while attempt == 2 and not rig.candidates:
            await asyncio.sleep(0.001)
        if attempt == 2:
            asyncio.get_running_loop().call_later(0.05, gate.set)
        return fakes.kernel_answer("same") if attempt < 3 else fakes.kernel_answer("other")

    def judge(candidate, rig):
        gate.wait(5)
        return fakes.evaluation("TIMEOUT", candidate)

    gate = threading.Event()
    run = rig(same, judge, streams=2, max_attempts=2)
    result = run.run()
    assert len(run.candidates) == 1
    assert [row.repeats for row in result.tried] == [None, 1]
    assert "same source as attempt 1" in result.tried[1].attempt.evaluation.summary


def test_comments_and_layout_do_not_make_another_source(rig):
    sources = {
        1: "def double_it(x):\n    return x\n",
        2: "# new\ndef double_it( x ):\n\n  return x\n",
    }
    run = rig(lambda attempt, rig: block(sources[attempt]), streams=1, max_attempts=2)
    result = run.run()
    assert len(run.candidates) == 1
    assert result.tried[1].repeats == 1


def test_a_stream_that_gets_no_answers_gives_up_and_the_others_go_on(rig, fakes):
    def answer(attempt, rig):
        return down() if attempt == 1 else fakes.kernel_answer(f"n{attempt}")

    run = rig(answer, max_attempts=6)
    result = run.run()
    assert 1 not in numbers(result)
    assert len(result.tried) == 6
    assert result.stopped_because == "attempts spent"
    assert [event.gives_up for event in run.of(ModelFailed)] == [False, False, True]
    assert run.asked.count(1) == 3


def test_all_streams_without_answers_end_the_run(rig, fakes):
    run = rig(lambda attempt, rig: down(), streams=2)
    with pytest.raises(ModelError, match="no answer"):
        run.run()
    assert sorted(set(run.asked)) == [1, 2]

    def answer(attempt, rig):
        return fakes.kernel_answer("a") if attempt == 1 else down()

    result = rig(answer, streams=1).run()
    assert numbers(result) == [1]
    assert result.stopped_because == "the model failed: no answer: unreachable"


@pytest.mark.parametrize("kind", ["key", "model", "balance"])
def test_what_every_question_would_meet_ends_all_streams(rig, fakes, kind):
    async def answer(attempt, rig):
        if attempt == 1:
            return fakes.kernel_answer("a")
        if attempt == 3:
            await asyncio.sleep(3600)
        while not rig.saved:
            await asyncio.sleep(0.001)
        return down(kind)

    result = rig(answer).run()
    assert numbers(result) == [1]
    assert result.stopped_because == f"the model failed: no answer: {kind}"


def test_a_question_that_cannot_be_asked_is_not_asked_again(rig, fakes):
    def answer(attempt, rig):
        return down("context") if attempt == 1 else fakes.kernel_answer(f"n{attempt}")

    run = rig(answer, streams=2, max_attempts=3)
    run.run()
    assert run.asked.count(1) == 1


def test_every_workload_at_the_roofline_ends_the_run(rig):
    def judge(candidate, rig):
        share = 0.97 if candidate.attempt == 2 else 0.5
        found = measured(timing(roofline_share=share, median_ms=1 / share))
        return found.model_copy(update={"candidate_sha256": candidate.sha256})

    result = rig(judge=judge, streams=1).run()
    assert result.stopped_because == AT_ROOFLINE
    assert result.best.attempt.index == 2
    assert numbers(result) == [1, 2]


def test_a_verifier_that_fails_in_one_stream_ends_the_run_with_the_best(rig, fakes):
    def judge(candidate, rig):
        if candidate.attempt > 3:
            raise RunnerError("no worker starts")
        return fakes.evaluation("PASSED", candidate, spills=candidate.attempt)

    result = rig(judge=judge).run()
    assert result.stopped_because == "the runner failed: no worker starts"
    assert result.best.attempt.index == 1


def test_signs_of_life_while_models_think(rig):
    async def slow(attempt, rig):
        await asyncio.sleep(0.05)
        return "no kernel"

    run = rig(slow, streams=1, max_attempts=1)
    run.run()
    assert run.of(Alive)


def tuner(result):
    """A tuner that hands back `result`, or raises it; keeps what it was asked."""

    def tune(candidate, time_left_s):
        asked.append((candidate.attempt, time_left_s))
        if isinstance(result, Exception):
            raise result
        return result(candidate) if callable(result) else result

    asked = []
    tune.asked = asked
    return tune


def frozen(candidate):
    source = Candidate.of(FROZEN, candidate.attempt)
    return Tuned(candidate=source, config={"B": 2}, tried=2, dropped=0, timed=2, note="B = 2")


def judged_by_source(fakes):
    def judge(candidate, rig):
        spills = {TUNABLE: 8, FROZEN: 4}.get(candidate.source, 64)
        return fakes.evaluation("PASSED", candidate, spills=spills)

    return judge


def tunable_first(fakes):
    return lambda attempt, rig: (
        block(TUNABLE) if attempt == 1 else fakes.kernel_answer(f"n{attempt}")
    )


def test_the_best_kernel_is_tuned_once_and_judged_like_any_other(rig, fakes):
    tune = tuner(frozen)
    run = rig(tunable_first(fakes), judged_by_source(fakes), tune=tune, streams=1, max_attempts=3)
    result = run.run()
    assert [attempt for attempt, _ in tune.asked] == [1]
    assert 0 < tune.asked[0][1] <= 20
    tuned = next(row for row in result.tried if row.attempt.phase == "tune")
    assert result.best is tuned
    assert tuned.candidate.source == FROZEN
    assert (tuned.attempt.tokens.prompt_tokens, tuned.attempt.model_s) == (0, 0.0)
    # What no model was asked for is not one of its attempts.
    assert len(result.tried) == 4
    (event,) = run.of(TuneFinished)
    assert (event.of, event.note) == (1, "B = 2")


def test_tuning_that_is_still_due_when_the_streams_end_is_done(rig, fakes):
    run = rig(
        tunable_first(fakes), judged_by_source(fakes), tune=tuner(frozen), streams=1, max_attempts=1
    )
    result = run.run()
    assert [row.attempt.phase for row in result.tried] == ["explore", "tune"]
    assert result.stopped_because == "attempts spent"


@pytest.mark.parametrize(
    ("outcome", "note"),
    [
        (None, "nothing to tune"),
        (lambda candidate: untuned(candidate, "CONFIG lacks a name"), "CONFIG lacks a name"),
        (RunnerError("the GPU fell off"), "tuning failed: the GPU fell off"),
    ],
)
def test_tuning_that_comes_to_nothing_is_on_record_and_ends_nothing(rig, fakes, outcome, note):
    run = rig(
        tunable_first(fakes),
        judged_by_source(fakes),
        tune=tuner(outcome),
        streams=1,
        max_attempts=2,
    )
    result = run.run()
    assert numbers(result) == [1, 2]
    (event,) = run.of(TuneFinished)
    assert (event.attempt, event.note) == (None, note)
    # The model is told, for example of a fault in its declaration.
    assert note in result.tried[0].change


def test_without_a_gpu_there_is_no_tune_phase_and_the_journal_says_so(rig, fakes):
    run = rig(tunable_first(fakes), judged_by_source(fakes), streams=1, max_attempts=3)
    result = run.run()
    (event,) = run.of(TuneSkipped)
    assert (event.of, event.reason) == (1, "nothing is timed on this machine")
    assert result.best.attempt.index == 1


@pytest.mark.parametrize(
    ("source", "declares"),
    [
        (TUNABLE, True),
        ("TUNABLES: dict = {}\n", True),
        (FROZEN, False),
        ("def f():\n    TUNABLES = {}\n", False),
        ("# TUNABLES = {}\n", False),
        ("TUNABLES = {\n", False),
    ],
)
def test_what_declares_tunables(source, declares):
    assert declares_tunables(source) is declares
