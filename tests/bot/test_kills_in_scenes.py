"""SIGKILL at every step of what else people ask for, with one process and with two replicas.

The default suite plays one moment of each scene; `-m matrix` plays them all.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bot.standin import Person, Repository, StandIn
from tests.fakes import kill_scenes as scenes
from tests.fakes.casts import Alone, Pair, two_replicas
from tests.fakes.kill_scenes import MOMENTS, Stage, name_of

# After an effect that GitHub has and the database does not: what a repetition would double.
SOME_ALONE = (
    (scenes.verify, ("after", "dispatch_verify")),
    (scenes.new_head, ("after", "close_progress")),
    (scenes.cancel, ("after", "cancel_run")),
    (scenes.newer_words, ("after", "reply")),
    (scenes.reviews_together, ("after", "show_gathering")),
    (scenes.failed_delivery, ("after", "redeliver")),
)
SOME_REPLICAS = ((scenes.verify, ("after", "close_check")),)


@pytest.fixture
def stage_for(
    github: StandIn, repository: Repository, mona: Person, bundles: ModuleType, issue_body: Any
) -> Iterator[Callable[..., Stage]]:
    def make(cast: Alone | Pair) -> Stage:
        return Stage(
            github=github, repository=repository, mona=mona, cast=cast, body=issue_body(),
            bundles=bundles,
        )  # fmt: skip

    yield make
    github.faults.forget()


@pytest.fixture
def alone(stage_for: Callable[..., Stage], service: Any) -> Stage:
    return stage_for(Alone(service))


@pytest.fixture
def replicated(
    stage_for: Callable[..., Stage], github: StandIn, nursery: subprocess.Popen[str],
    tmp_path: Path, database_url: str,
) -> Iterator[Stage]:  # fmt: skip
    with two_replicas(github, nursery, tmp_path, database_url) as replicas:
        pair = Pair(replicas)
        # What is on its way to a replica that dies is lost: GitHub is asked to send it again.
        pair.set("KERNELWRIGHT_RECONCILE_INTERVAL_S", "5")
        yield stage_for(pair)


@pytest.mark.parametrize(("scene", "moment"), SOME_ALONE, ids=name_of)
def test_one_process_ends_what_it_began(alone: Stage, scene: Any, moment: Any) -> None:
    scene(alone, moment)


@pytest.mark.matrix
@pytest.mark.parametrize(("scene", "moment"), MOMENTS, ids=name_of)
def test_one_process_at_every_step(alone: Stage, scene: Any, moment: Any) -> None:
    scene(alone, moment)


@pytest.mark.postgres
@pytest.mark.parametrize(("scene", "moment"), SOME_REPLICAS, ids=name_of)
def test_the_other_replica_ends_it(replicated: Stage, scene: Any, moment: Any) -> None:
    scene(replicated, moment)


@pytest.mark.postgres
@pytest.mark.matrix
@pytest.mark.parametrize(("scene", "moment"), MOMENTS, ids=name_of)
def test_the_other_replica_at_every_step(replicated: Stage, scene: Any, moment: Any) -> None:
    scene(replicated, moment)
