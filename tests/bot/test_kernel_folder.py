"""A branch keeps its problems folder, whatever the repository's settings say by now."""

from __future__ import annotations

from typing import Any

import pytest

from bot.config import PATH
from bot.kernel_folder import folder_of
from bot.reception import receive
from bot.records import Asked, Delivery, Job, Regenerate
from bot.workflow import generation

BRANCH = "kernel/7-add-one"


def delivery(decision: Any) -> Delivery:
    return Delivery(
        delivery_id="d-1", repository="octo/kernels", installation_id=1, decision=decision
    )


def files(*paths: str) -> dict[str, bytes]:
    return {path: path.encode() for path in paths}


@pytest.fixture
def moved(fake: Any, tools: Any, steps: Any, job: Job) -> Any:
    """A pull request of ours, after which the repository has chosen another folder."""
    generation(steps, tools, job)
    fake.commit_as("mona", "main", "Set up", {PATH: b"problems_folder: kernels/triton\n"})
    return fake.open_pulls()[0]


def test_a_further_round_goes_into_the_branchs_own_folder(
    fake: Any, tools: Any, steps: Any, requests: Any, moved: Any
) -> None:
    cause = Regenerate(
        thread_number=moved.number, pull_number=moved.number, sender="mona", guidance="faster"
    )
    receive(steps, tools, requests, delivery(cause))
    (job,) = requests.started
    assert generation(steps, tools, job).end == "published"
    assert b"Kernel of round 1" in fake.files(BRANCH)["problems/add_one/kernel.py"]
    assert not [path for path in fake.files(BRANCH) if path.startswith("kernels/")]


def test_a_verification_looks_into_the_branchs_own_folder(
    tools: Any, steps: Any, requests: Any, moved: Any
) -> None:
    asked = Asked(
        command="verify", thread_number=moved.number, on_pull=True, comment_id=5, sender="mona"
    )
    receive(steps, tools, requests, delivery(asked))
    assert [job.problem for job in requests.verified] == ["problems/add_one"]


@pytest.mark.parametrize(
    ("default", "branch", "folder"),
    [
        ([], ["old/add_one/problem.toml"], "old"),
        ([], ["a/b/add_one/problem.toml", "a/b/add_one/kernel.py"], "a/b"),
        (["new/add_one/problem.toml"], ["old/add_one/problem.toml"], "old"),
        ([], ["old/add_two/problem.toml", "old/add_one/kernel.py"], "new"),
        ([], ["a/add_one/problem.toml", "b/add_one/problem.toml"], "new"),
        ([], ["with space/add_one/problem.toml"], "new"),
        ([], [".github/add_one/problem.toml"], "new"),
    ],
    ids=["flat", "deep", "namesake", "none", "two", "no folder of ours", "not to be written"],
)
def test_the_folder_is_what_the_branch_adds(
    fake: Any, default: list[str], branch: list[str], folder: str
) -> None:
    if default:
        fake.commit_as("mona", "main", "Before", files(*default))
    fake.branches[BRANCH] = fake.branches["main"]
    head = fake.commit_as("bot", BRANCH, "Kernel", files(*branch))
    assert folder_of(fake, head, "add_one", "new") == folder
