"""Two replicas on Postgres behind one webhook address; one is killed midway, the other goes on."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from bot.standin import Person, Repository, StandIn
from bot.workflow import STEPS
from tests.fakes.casts import two_replicas

pytestmark = pytest.mark.postgres
ROUND = ("read_opening", "choose", *(name for name in STEPS if name != "say_outcome"))
ALL = tuple(itertools.product(("before", "after"), ROUND))
# The moments after which something of the killed replica's is already on GitHub.
SOME = (
    ("after", "open_progress"),
    ("after", "dispatch"),
    ("after", "commit"),
)


@pytest.fixture
def replicas(
    github: StandIn, nursery: subprocess.Popen[str], tmp_path: Path, database_url: str
) -> Iterator[list[Any]]:  # fmt: skip
    """Two services on one database; deliveries go to them in turn. Not started yet."""
    with two_replicas(github, nursery, tmp_path, database_url) as made:
        yield made


def assert_made_once(
    github: StandIn, repository: Repository, live: ModuleType, issues: int = 1
) -> None:
    heads = sorted(issue.pull.head_ref for issue in repository.issues.values() if issue.pull)
    assert heads == sorted(f"kernel/{number}-add-one" for number in range(1, issues + 1))
    assert len(repository.runs) == issues
    assert len(live.markers(repository, "progress")) == issues
    assert live.markers(repository, "outcome") == []
    assert live.markers(repository, "reply") == []
    assert len(repository.check_runs) == issues
    assert github.violations == []


def kill_one(
    stage: tuple[StandIn, Repository, Person, ModuleType, list[Any]], moment: Any, body: str
) -> None:
    """Whichever replica comes to `moment` first is killed there, and never comes back."""
    github, repository, mona, live, replicas = stage
    for replica in replicas:
        replica.start(kill=(*moment, str(replicas[0].state / "killed")))
    mona.label(mona.open_issue("kernel: add one", body), "kernel-request")
    killed = (replica for replica in itertools.cycle(replicas) if replica.wait(timeout_s=0.02))
    victim = next(killed)
    assert victim.ended == -9
    replicas[1 - replicas.index(victim)].until_idle(requests=1)
    assert_made_once(github, repository, live)


@pytest.fixture
def stage(
    github: StandIn, repository: Repository, mona: Person, live: ModuleType, replicas: list[Any]
) -> Any:
    return github, repository, mona, live, replicas


@pytest.mark.parametrize("moment", SOME, ids="-".join)
def test_the_other_takes_over(stage: Any, issue_body: Any, moment: Any) -> None:
    kill_one(stage, moment, issue_body())


@pytest.mark.matrix
@pytest.mark.parametrize("moment", ALL, ids="-".join)
def test_the_other_takes_over_at_every_step(stage: Any, issue_body: Any, moment: Any) -> None:
    kill_one(stage, moment, issue_body())


def test_both_work_and_neither_does_the_others_work(stage: Any, issue_body: Any) -> None:
    github, repository, mona, live, (one, other) = stage
    one.start()
    other.start()
    for _ in range(3):
        mona.label(mona.open_issue("kernel: add one", issue_body()), "kernel-request")
        github.redeliver(github.hub.webhooks.log[-1])  # comes to the other replica
    one.until_idle(requests=3)
    assert_made_once(github, repository, live, issues=3)


def test_a_restart_of_the_database_ends_the_replicas_and_a_new_one_goes_on(
    stage: Any, issue_body: Any
) -> None:
    github, repository, mona, live, (one, other) = stage
    one.start()
    mona.label(mona.open_issue("kernel: add one", issue_body()), "kernel-request")
    assert github.hub.webhooks.log[-1].done.wait(20)
    with psycopg.connect(one.environment["KERNELWRIGHT_DATABASE_URL"], autocommit=True) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert one.wait() == 75
    other.start()
    other.until_idle(requests=1)
    assert_made_once(github, repository, live)
