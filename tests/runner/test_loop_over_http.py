"""The loop against a simulated model over real HTTP: throughput, overhead, failures."""

from __future__ import annotations

import asyncio
import time

import pytest

from runner.contract import Budget
from runner.errors import EndpointError
from runner.journal import AnswerReceived, AttemptFinished, Journal, ModelFailed, PromptSent
from runner.judging import ThreadJudges
from runner.loop import Loop
from runner.loop_io import Tools
from runner.model.openai import OpenAIModel
from runner.model.presets import service
from runner.model.record import RecordingModel
from runner.model.retry import RetryPolicy
from runner.model.transcript import read_transcript
from runner.prompts.questions import PromptContext
from runner.settings import EndpointSettings
from runner.task import Task
from tests.fakes.model_script import PASSING, UNAUTHORIZED, Pace, in_order, sometimes
from tests.fakes.model_server import ModelServer
from tests.fakes.skill_curve import CurveJudge, best_of, skill

# Verdicts of 2 s and answers of 60 s, sixty times as fast.
SCALE = 60
VERDICT_S, ANSWER_S = 2 / SCALE, 60 / SCALE
QUICK = RetryPolicy(tries=8, first_wait_s=0.01, max_wait_s=0.05)


class Run:
    """One loop over HTTP: what it emitted, and the time that its own work took."""

    def __init__(self, fakes, problem, folder, url, budget, *, verdict_s=0.0, idle_s=0.5):
        folder.mkdir()
        settings = EndpointSettings(addresses={"OPENAI_BASE_URL": url}, idle_timeout_s=idle_s)
        inner = OpenAIModel(service("openai", "r1", settings), QUICK)
        self.transcript = folder / "transcript.jsonl"
        self.model = RecordingModel(inner, self.transcript, 0)
        self.judge = CurveJudge(fakes.evaluation, seconds=verdict_s)
        self.events = []
        self.emit_s = 0.0
        self._journal = Journal(folder / "journal.jsonl")
        self._problem = problem
        self._budget = budget

    async def run(self):
        task = Task(problem=self._problem, budget=self._budget)
        tools = Tools(
            model=self.model,
            judges=ThreadJudges(self.judge, time.monotonic),
            emit=self._emit,
            save_best=lambda best: None,
            clock=time.monotonic,
            started_s=time.monotonic(),
            context=PromptContext(task=task, triton_version="3.9.0"),
            pause_s=0.02,
        )
        try:
            return await Loop(task, tools).run()
        finally:
            await self.model.close()
            self._journal.close()

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def _emit(self, event):
        began_s = time.perf_counter()
        self._journal(event)
        self.emit_s += time.perf_counter() - began_s
        self.events.append(event)


@pytest.fixture
def start(fakes, double_it, tmp_path):
    """Prepare a run with so many streams."""

    def prepare(url, streams, **options):
        pace = {name: options.pop(name) for name in ("verdict_s", "idle_s") if name in options}
        budget = Budget(**{"wall_clock_s": 60, "streams": streams, **options})
        return Run(fakes, double_it, tmp_path / f"{streams}", url, budget, **pace)

    return prepare


def numbers(result):
    return [row.attempt.index for row in result.tried]


def test_eight_streams_make_eight_times_the_attempts_of_one(start):
    # Seven rounds and a half: neither number hangs on the last milliseconds.
    wall_s = 7.5 * (ANSWER_S + VERDICT_S)
    with ModelServer(skill, pace=Pace(first_token_s=ANSWER_S)) as server:
        runs = [
            start(server.url, streams, wall_clock_s=wall_s, verdict_s=VERDICT_S, idle_s=10)
            for streams in (1, 8)
        ]

        async def both():
            return await asyncio.gather(*(run.run() for run in runs))

        one, eight = asyncio.run(both())
    assert len(eight.tried) >= 7.5 * len(one.tried)
    assert len(one.tried) >= 6
    assert eight.stopped_because == one.stopped_because == "budget spent"
    assert server.peak == 9
    assert numbers(eight) == sorted(set(numbers(eight)))


def test_the_loop_itself_takes_less_than_two_percent_of_the_time(start):
    """Its own work in seconds, against answers of 60 s and verdicts of 2 s over eight streams.

    CPU time of the event loop's thread, with the client of the endpoint and the rendering of
    prompts, and the waits for the disk: a busy machine does not make them more.
    """
    attempts = 64
    with ModelServer(skill, pace=Pace(first_token_s=0.02)) as server:
        run = start(server.url, 8, max_attempts=attempts)
        began_s = time.thread_time()
        result = asyncio.run(run.run())
        own_s = time.thread_time() - began_s + run.emit_s
    assert len(result.tried) == attempts
    wall_s = attempts * (60 + 2) / 8
    assert own_s < 0.02 * wall_s


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_attempt_is_lost_or_doubled_where_a_fifth_of_all_calls_fails(start, seed):
    attempts = 24
    with ModelServer(skill, faults=sometimes(0.2, PASSING, seed=seed)) as server:
        run = start(server.url, 4, max_attempts=attempts)
        result = asyncio.run(run.run())
        served = server.served
    assert any(row.outcome != "answered" for row in served)
    assert numbers(result) == list(range(1, attempts + 1))
    assert [event.attempt for event in run.of(PromptSent)] == numbers(result)
    assert sorted(event.attempt for event in run.of(AnswerReceived)) == numbers(result)
    assert sorted(event.attempt.index for event in run.of(AttemptFinished)) == numbers(result)
    assert sorted(row.attempt for row in read_transcript(run.transcript)) == numbers(result)
    assert len({c.source for c in run.judge.candidates}) == len(run.judge.candidates)
    assert result.best.attempt.index == best_of(set(numbers(result)))
    # A whole answer is paid for once.
    whole = [row.ask.attempt for row in served if row.outcome == "answered" and not row.ask.partial]
    assert len(whole) == len(set(whole))


def test_a_wrong_key_ends_all_streams_at_once(start):
    with ModelServer(skill, faults=lambda ask: UNAUTHORIZED) as server:
        run = start(server.url, 8)
        with pytest.raises(EndpointError, match="401"):
            asyncio.run(run.run())
        assert len(server.served) <= 8
    assert all(event.gives_up for event in run.of(ModelFailed))


def test_a_question_that_got_no_answer_keeps_its_number_and_its_text(start):
    down = next(fault for fault in PASSING if fault.kind == "status" and fault.status == 503)
    with ModelServer(skill, faults=in_order([down] * QUICK.tries)) as server:
        run = start(server.url, 1, max_attempts=2)
        result = asyncio.run(run.run())
        prompts = {row.ask.attempt: set() for row in server.served}
        for row in server.served:
            prompts[row.ask.attempt].add(row.ask.prompt)
    assert numbers(result) == [1, 2]
    (failure,) = run.of(ModelFailed)
    assert (failure.attempt, failure.gives_up) == (1, False)
    assert all(len(texts) == 1 for texts in prompts.values())
