"""A night over folders: what is judged, what is written, and every way in which a folder is odd."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from runner.contract import Candidate
from runner.errors import RunnerError
from runner.night_record import KernelNight, Night, NightStatus, history_line, parse_history
from runner.nightly.night import WAITING, Plan, run_night
from runner.nightly.reverify import Judged, Occasion, reverify
from runner.nightly.worklist import Shard, Task, list_tasks, take_shard
from runner.problem import Problem
from tests.fakes.night_simulation import Event, SimulatedGpu, night_date, write_kernel


def gpu(*events: Event, night: int | None = 0, seed: int = 5, **changes: Any) -> SimulatedGpu:
    return SimulatedGpu(random=random.Random(seed), events=events, night=night, **changes)


@dataclass
class Script:
    """A judge that gives what is listed, a verdict or an error, in that order."""

    answers: list[Judged | RunnerError]
    asked: int = field(default=0)

    def judge(self, problem: Problem, candidate: Candidate) -> Judged:
        answer = self.answers[self.asked]
        self.asked += 1
        if isinstance(answer, RunnerError):
            raise answer
        return answer


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    for name in ("alpha", "beta", "gamma"):
        write_kernel(tmp_path / "problems", name, gpu(night=None))
    return tmp_path / "problems"


@pytest.fixture
def alpha(problems: Path) -> Task:
    return Task(kernel="alpha", folder=problems / "alpha")


def occasion(night: int = 0, *history: KernelNight) -> Occasion:
    return Occasion(night=night_date(night), leg="pinned", history=history)


def look(task: Task, judge: Any, *history: KernelNight, night: int = 0) -> KernelNight:
    return reverify(task, judge, occasion(night, *history))


def good(task: Task) -> Judged:
    return gpu().judge(_problem(task), _candidate(task))


def bad(task: Task) -> Judged:
    event = Event(kernel=task.kernel, first=0, end=99, wrong=True)
    return gpu(event).judge(_problem(task), _candidate(task))


def _problem(task: Task) -> Problem:
    from runner.problem import load_problem

    return load_problem(task.folder)


def _candidate(task: Task) -> Candidate:
    return Candidate.of((task.folder / "kernel.py").read_text(), 1)


def edit(task: Task, **changes: Any) -> None:
    """Change top-level keys of the folder's results."""
    path = task.folder / "results.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_kernel_that_is_well_takes_one_run(alpha: Task) -> None:
    judge = gpu()
    row = look(alpha, judge)
    assert (row.status, row.runs, row.notes) == (NightStatus.PASSED, 1, ())
    assert judge.judged == ["alpha"]
    assert all(timing.speed is not None for timing in row.timings)
    assert row.timings[0].baselines[0].recorded_ratio is not None


def test_a_wrong_result_is_believed_after_a_second_run_and_shown_on_its_smallest_input(
    alpha: Task,
) -> None:
    row = look(alpha, gpu(Event(kernel="alpha", first=0, end=9, wrong=True)))
    assert (row.status, row.runs) == (NightStatus.FAILED, 2)
    assert row.failure is not None
    assert str(row.failure.workload) == "N=77"
    assert row.failure.output == "y: 5 of 77 elements wrong, the worst at [3]: 1.0 for 2.0"


def test_a_failure_that_does_not_repeat_is_unclear_and_on_two_nights_a_failure(
    alpha: Task,
) -> None:
    row = look(alpha, Script([bad(alpha), good(alpha), good(alpha)]))
    assert (row.status, row.runs) == (NightStatus.UNCLEAR, 3)
    assert row.failure is not None
    assert "failed in 1 of 3 runs" in row.notes

    again = look(alpha, Script([bad(alpha), good(alpha), good(alpha)]), row, night=3)
    assert again.status is NightStatus.FAILED
    assert f"failed on {night_date(0)} as well" in again.notes


def test_a_failure_in_two_of_three_runs_is_a_failure(alpha: Task) -> None:
    row = look(alpha, Script([bad(alpha), good(alpha), bad(alpha)]))
    assert (row.status, row.runs) == (NightStatus.FAILED, 3)


def test_a_failure_that_shows_while_speed_is_looked_into_counts(alpha: Task) -> None:
    slow = gpu(Event(kernel="alpha", first=0, end=9, slower=0.3))
    judged = slow.judge(_problem(alpha), _candidate(alpha))
    row = look(alpha, Script([judged, bad(alpha), bad(alpha)]))
    assert (row.status, row.timings) == (NightStatus.FAILED, ())


def test_a_machine_that_fails_is_no_kernels_fault(alpha: Task) -> None:
    row = look(alpha, Script([RunnerError("the GPU fell off the bus")]))
    assert (row.status, row.runs, row.evaluation_status) == (NightStatus.NOT_RUN, 0, None)
    assert row.notes == ("run 1 reached no verdict: the GPU fell off the bus",)

    row = look(alpha, Script([bad(alpha), RunnerError("gone")]))
    assert (row.status, row.runs) == (NightStatus.UNCLEAR, 1)


def test_one_disturbed_session_is_not_a_regression(alpha: Task) -> None:
    slow = gpu(Event(kernel="alpha", first=0, end=9, slower=0.3))
    disturbed = slow.judge(_problem(alpha), _candidate(alpha))
    row = look(alpha, Script([disturbed, good(alpha)]))
    assert (row.status, row.runs) == (NightStatus.UNCLEAR, 2)
    row = look(alpha, Script([disturbed, disturbed, good(alpha)]))
    assert (row.status, row.runs) == (NightStatus.UNCLEAR, 3)
    row = look(alpha, Script([disturbed, disturbed, disturbed]))
    assert (row.status, row.runs) == (NightStatus.REGRESSED, 3)


def test_clocks_that_drift_are_not_a_regression(alpha: Task) -> None:
    row = look(alpha, gpu(night=29), night=29)
    assert row.status is NightStatus.PASSED
    timing = row.timings[-1]
    assert timing.recorded_median_ms is not None
    assert timing.median_ms > 1.05 * timing.recorded_median_ms


def test_compiled_baselines_alone_prove_nothing_with_other_versions(alpha: Task) -> None:
    document = json.loads((alpha.folder / "results.json").read_text())
    for timing in document["evaluation"]["performance"]["timings"]:
        timing["baselines"] = [b for b in timing["baselines"] if b["name"] == "compile"]
    edit(alpha, **document)
    slow = Event(kernel="alpha", first=0, end=99, slower=0.3)
    row = look(alpha, gpu(slow, leg="newest"))
    assert row.status is NightStatus.NOT_COMPARABLE
    assert "no workload has a baseline in common" in row.notes[0]
    assert look(alpha, gpu(slow)).status is NightStatus.REGRESSED


def test_another_gpu_gets_no_verdict_on_speed_but_one_on_correctness(alpha: Task) -> None:
    other = "NVIDIA H200"
    slow = Event(kernel="alpha", first=0, end=9, slower=0.5)
    row = look(alpha, gpu(slow, gpu=other))
    assert (row.status, row.runs) == (NightStatus.NOT_COMPARABLE, 1)
    assert row.notes == (
        "speed: no verdict, recorded on NVIDIA H100 80GB HBM3, tonight on NVIDIA H200",
    )
    assert all(timing.speed is None for timing in row.timings)
    wrong = Event(kernel="alpha", first=0, end=9, wrong=True)
    assert look(alpha, gpu(wrong, gpu=other)).status is NightStatus.FAILED


@pytest.mark.parametrize("file", ["reference.py", "problem.toml"])
def test_a_reference_edited_by_hand_is_named(alpha: Task, file: str) -> None:
    before = look(alpha, gpu())
    path = alpha.folder / file
    path.write_text(path.read_text() + "\n# edited\n")
    row = look(alpha, gpu(Event(kernel="alpha", first=0, end=9, slower=0.5)))
    assert row.status is NightStatus.NOT_COMPARABLE
    assert row.notes[0].startswith("problem.toml or reference.py was edited since results.json")
    assert (row.reference_sha256 != before.reference_sha256) == (file == "reference.py")
    assert row.problem_sha256 != before.problem_sha256


def test_a_kernel_edited_by_hand_is_named(alpha: Task) -> None:
    (alpha.folder / "kernel.py").write_text("# faster!\n")
    row = look(alpha, gpu())
    assert row.status is NightStatus.NOT_COMPARABLE
    assert row.notes[0] == "kernel.py is not the kernel that results.json is about"


def test_a_folder_without_tests_is_named_and_judged(alpha: Task) -> None:
    (alpha.folder / "test_kernel.py").unlink()
    row = look(alpha, gpu())
    assert (row.status, row.notes) == (NightStatus.PASSED, ("the folder has no test_kernel.py",))


def test_results_of_another_schema_are_refused_by_name_and_correctness_still_checked(
    alpha: Task,
) -> None:
    edit(alpha, schema_version=0)
    row = look(alpha, gpu())
    assert row.status is NightStatus.NOT_COMPARABLE
    assert row.notes[0] == "results.json has schema version 0; this reads 1 and 2"
    wrong = gpu(Event(kernel="alpha", first=0, end=9, wrong=True))
    assert look(alpha, wrong).status is NightStatus.FAILED


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "results.json is not JSON"), ('{"schema_version": 1}', "problem: Field required")],
)
def test_results_that_cannot_be_read_are_named(alpha: Task, text: str, words: str) -> None:
    (alpha.folder / "results.json").write_text(text)
    row = look(alpha, gpu())
    assert row.status is NightStatus.NOT_COMPARABLE
    assert words in row.notes[0]


def test_a_folder_without_results_or_with_a_broken_spec_never_passes(alpha: Task) -> None:
    (alpha.folder / "results.json").unlink()
    row = look(alpha, gpu())
    assert (row.status, row.notes) == (
        NightStatus.NOT_COMPARABLE, ("speed: no verdict, nothing is recorded",),
    )  # fmt: skip
    (alpha.folder / "problem.toml").write_text("name = 3\n")
    row = look(alpha, gpu())
    assert (row.status, row.runs) == (NightStatus.NOT_RUN, 0)
    assert row.notes


def test_a_night_cut_short_keeps_what_was_done(problems: Path, tmp_path: Path) -> None:
    now = [0.0]

    class Slow(SimulatedGpu):
        def judge(self, problem: Problem, candidate: Candidate) -> Judged:
            now[0] += 60.0
            return SimulatedGpu.judge(self, problem, candidate)

    out = tmp_path / "night"
    plan = Plan(problems=problems, out=out, time_budget_s=100.0)
    judge = Slow(random=random.Random(1), night=0)
    night = run_night(plan, judge, lambda row: None, night=night_date(0), clock=lambda: now[0])

    assert [row.status.value for row in night.kernels] == ["passed", "passed", "not run"]
    assert (night.complete, night.kernels[2].notes) == (False, (WAITING,))
    assert Night.model_validate_json((out / "night.json").read_text()) == night
    assert parse_history((out / "history.jsonl").read_text()) == night.kernels


def test_a_night_that_is_interrupted_has_its_files(problems: Path, tmp_path: Path) -> None:
    class Interrupted(SimulatedGpu):
        def judge(self, problem: Problem, candidate: Candidate) -> Judged:
            if self.judged:
                raise KeyboardInterrupt
            return SimulatedGpu.judge(self, problem, candidate)

    out = tmp_path / "night"
    judge = Interrupted(random=random.Random(1), night=0)
    with pytest.raises(KeyboardInterrupt):
        run_night(Plan(problems=problems, out=out), judge, lambda row: None)
    night = Night.model_validate_json((out / "night.json").read_text())
    assert not night.complete
    assert [row.status.value for row in night.kernels] == ["passed", "not run", "not run"]


def test_shards_together_are_the_whole_once(problems: Path) -> None:
    (problems / "notes").mkdir()
    (problems / "linked").symlink_to(problems / "alpha")
    tasks = list_tasks(problems)
    assert [task.kernel for task in tasks] == ["alpha", "beta", "gamma"]
    parts = [take_shard(tasks, Shard(index=index, count=2)) for index in (1, 2)]
    assert sorted(task.kernel for part in parts for task in part) == ["alpha", "beta", "gamma"]
    assert take_shard(tasks, Shard(index=5, count=5)) == ()
    with pytest.raises(RunnerError, match="there is no folder"):
        list_tasks(problems / "nowhere")


def test_history_of_another_schema_is_refused_by_name(problems: Path, tmp_path: Path) -> None:
    row = look(Task(kernel="alpha", folder=problems / "alpha"), gpu())
    line = history_line(row)
    assert parse_history(line) == (row,)
    folder = tmp_path / "nights"
    folder.mkdir()
    (folder / "a.jsonl").write_text(
        line + line.replace('"schema_version": 1', '"schema_version": 7')
    )
    plan = Plan(problems=problems, out=tmp_path / "out", history=folder)
    with pytest.raises(RunnerError, match=r"a\.jsonl: line 2 has schema version 7; this reads 1"):
        run_night(plan, gpu(), lambda row: None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "failed"},
        {"status": "not run"},
        {"status": "regressed", "runs": 3},
        {"runs": 0},
        {"environment": None},
        {"evaluation_status": "TIMEOUT"},
        {"kernel": "../alpha"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_row_that_contradicts_itself_is_no_row(alpha: Task, changes: dict[str, Any]) -> None:
    document = look(alpha, gpu()).model_dump(mode="json")
    with pytest.raises(ValueError, match="validation error"):
        KernelNight.model_validate({**document, **changes})


def test_the_same_night_twice_is_compared_with_earlier_nights_only(alpha: Task) -> None:
    row = look(alpha, gpu())
    slow = replace(gpu(Event(kernel="alpha", first=0, end=9, slower=0.3)))
    assert look(alpha, slow, row, row).status is NightStatus.REGRESSED
