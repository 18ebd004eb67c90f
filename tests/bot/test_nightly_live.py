"""Nights over HTTP: the real service on the stand-in GitHub, killed at the steps with effects."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.nightly_history import BRANCH
from bot.standin import Person, Repository, StandIn
from bot.standin.state import Artifact, WorkflowRun
from runner.night_record import parse_history
from runner.nightly.night import Plan, run_night
from tests.fakes.night_month import zip_folder
from tests.fakes.night_simulation import Event, SimulatedGpu, write_kernel

WRONG = Event(kernel="alpha", first=0, end=1, wrong=True)
WAIT_S = 60.0


@pytest.fixture
def end_night(
    github: StandIn, repository: Repository, mona: Person, tmp_path: Path
) -> Callable[[int], int]:
    """Ends a run of nightly.yml, in whose night 0 a kernel is wrong; the run's id."""
    problems = tmp_path / "problems"
    for name in ("alpha", "beta"):
        write_kernel(problems, name, SimulatedGpu(random=random.Random(1)))
    files = {
        f"problems/{path.parent.name}/{path.name}": path.read_bytes()
        for path in problems.rglob("*.*")
    }
    mona.push_commit("main", files, "Kernels")

    def end(night: int) -> int:
        out = tmp_path / f"night-{night}"
        gpu = SimulatedGpu(random=random.Random(night), events=[WRONG], night=night)
        run_night(Plan(problems=problems, out=out), gpu, lambda row: None)
        state = github.hub.state
        with state.lock:
            now, head = state.clock(), repository.git.ref("refs/heads/main")
            assert head is not None
            data = zip_folder(out)
            name = "kernelwright-night-pinned-1"
            artifact = Artifact(id=state.next_id(), name=name, data=data, created_at=now)
            run = WorkflowRun(
                id=state.next_id(), number=night + 1, workflow_file="nightly.yml", name="nightly",
                display_title="kernelwright nightly", head_branch="main", head_sha=head,
                actor=state.account("mona"), inputs={}, created_at=now, updated_at=now,
                status="completed", conclusion="success", artifacts=[artifact],
            )  # fmt: skip
            repository.runs.append(run)
            github.hub.run_event("completed", repository, run)
        return run.id

    return end


def until(condition: Callable[[], Any], service: Any) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, (service.state / "bot.log").read_text()
        time.sleep(0.03)


def night_issue(repository: Repository) -> Any:
    found = [issue for issue in repository.issues.values() if issue.title.startswith("night: ")]
    assert len(found) <= 1
    return found[0] if found else None


def nights(repository: Repository) -> list[str]:
    head = repository.git.ref(f"refs/heads/{BRANCH}")
    if head is None:
        return []
    rows = repository.git.tree(head, recursive=True)
    return [row.path for row in rows if row.path.startswith("nights/")]


def test_a_night_opens_an_issue_and_the_next_one_closes_it(
    github: StandIn, repository: Repository, service: Any, end_night: Any
) -> None:
    service.start()
    run_id = end_night(0)
    until(lambda: night_issue(repository), service)
    issue = night_issue(repository)
    assert (issue.state, issue.title) == ("open", "night: alpha is wrong")
    assert [label.name for label in issue.labels] == ["kernel-night"]

    end_night(1)
    until(lambda: issue.state == "closed", service)
    (comment,) = issue.comments
    assert "is well again" in comment.body
    today = datetime.now(UTC).date().isoformat()
    assert nights(repository)[0] == f"nights/{today}-{run_id}-1.jsonl"
    head = repository.git.ref(f"refs/heads/{BRANCH}")
    assert head is not None
    lines = repository.git.read_file(head, nights(repository)[0])
    assert lines is not None
    assert [row.kernel for row in parse_history(lines.decode())] == ["alpha", "beta"]
    assert github.violations == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["append_history", "keep_night_issue"])
def test_a_kill_leaves_one_commit_and_one_issue(
    github: StandIn, repository: Repository, service: Any, end_night: Any, step: str, when: str
) -> None:
    service.start(kill=(when, step))
    end_night(0)
    assert service.wait() == -9
    service.start()
    until(lambda: night_issue(repository), service)
    service.until_idle(requests=0)
    assert night_issue(repository).state == "open"
    assert len(nights(repository)) == 1
    assert github.violations == []
