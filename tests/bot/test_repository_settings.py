"""What a repository sets, and what a command's options say, arrives where it is meant to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.config import BudgetConfig, RepositoryConfig
from bot.github_api import ReviewComment
from bot.preparation import prepare
from bot.records import Job, Voice
from bot.workflow import generation
from runner.contract import Budget, KernelRequest


def with_config(job: Job, **changes: Any) -> Job:
    return job.model_copy(update={"config": RepositoryConfig.model_validate(changes)})


def dispatched(fake: Any) -> KernelRequest:
    return KernelRequest.model_validate_json(list(fake.runs.values())[-1].inputs["request"])


def guided(second: Job, **changes: Any) -> Job:
    return second.model_copy(update={"cause": second.cause.model_copy(update=changes)})


@pytest.mark.parametrize(("choice", "budget_s"), [("30 minutes", 1800), ("_No response_", 2400)])
def test_the_default_budget_is_for_a_form_that_says_none(
    fake: Any, tools: Any, job: Job, issue_body: Any, choice: str, budget_s: float
) -> None:
    fake.open_issue(7, issue_body(budget=choice), ("kernel-request",))
    request = prepare(fake, tools, with_config(job, budget={"default": "40m"})).accepted()
    assert request.budget.wall_clock_s == budget_s


@pytest.mark.parametrize("tokens", [None, 500_000])
def test_a_runs_tokens_are_the_repositorys_to_limit(
    fake: Any, tools: Any, job: Job, tokens: int | None
) -> None:
    request = prepare(fake, tools, with_config(job, budget={"tokens": tokens})).accepted()
    assert request.budget == Budget(wall_clock_s=900.0, max_tokens=tokens)


def test_a_form_that_asks_for_more_than_the_maximum_is_a_fault(
    fake: Any, tools: Any, job: Job, issue_body: Any
) -> None:
    fake.open_issue(7, issue_body(budget="60 minutes"), ("kernel-request",))
    prepared = prepare(fake, tools, with_config(job, budget={"max": "30m"}))
    assert prepared.request is None
    assert "1h, is more than this repository allows, 30m" in prepared.faults[0].message


def test_a_spec_must_name_the_repositorys_baselines(fake: Any, tools: Any, job: Job) -> None:
    assert prepare(fake, tools, with_config(job, baselines=["eager"])).request is not None
    prepared = prepare(fake, tools, with_config(job, baselines=["eager", "flex_attention"]))
    (fault,) = prepared.faults
    assert fault.file == "problem.toml"
    assert "must also name flex_attention" in fault.message


def test_runner_labels_are_passed_on_only_where_they_are_set(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    generation(steps, tools, with_config(job, runner_labels=["gpu", "h100"]))
    (run,) = fake.runs.values()
    assert json.loads(run.inputs["runner"]) == ["gpu", "h100"]


def test_without_runner_labels_the_workflows_own_hold(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    generation(steps, tools, job)
    (run,) = fake.runs.values()
    assert set(run.inputs) == {"request", "request_id"}


def test_kernels_go_to_the_repositorys_folder_and_are_found_there_again(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    config = {"problems_folder": "src/kernels"}
    assert generation(steps, tools, with_config(job, **config)).end == "published"
    (pull, _, body) = next(iter(fake.pulls.values()))
    files = [path for path in fake.files(pull.head_ref) if path != "README.md"]
    assert "src/kernels/add_one/kernel.py" in files
    assert all(path.startswith("src/kernels/add_one/") for path in files)
    assert "python -m runner verify src/kernels/add_one" in body
    ended = generation(type(steps)(tools), tools, with_config(second_round(), **config))
    assert ended.end == "published"
    assert dispatched(fake).parent_kernel == '"""Kernel of round 0."""\n'


def test_a_commands_budget_goes_before_the_issues(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    generation(steps, tools, job)
    second = guided(second_round(), budget_s=1800.0)
    assert prepare(fake, tools, second).accepted().budget.wall_clock_s == 1800
    assert prepare(fake, tools, guided(second, budget_s=None)).accepted().budget.wall_clock_s == 900


def test_a_later_round_never_exceeds_a_maximum_that_was_lowered(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    generation(steps, tools, job)
    second = with_config(second_round(), budget=BudgetConfig(default="5m", max="10m"))
    assert prepare(fake, tools, second).accepted().budget.wall_clock_s == 600
    limited = with_config(second, budget=BudgetConfig(default="5m", max="10m", tokens=9))
    assert prepare(fake, tools, limited).accepted().budget.max_tokens == 9
    del fake.issues[7]
    assert prepare(fake, tools, second).accepted().budget.wall_clock_s == 300


def test_from_scratch_takes_the_branchs_spec_without_its_kernel(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any, issue_body: Any
) -> None:
    generation(steps, tools, job)
    first_head = fake.branches["kernel/7-add-one"]
    # What the issue says by now does not matter.
    fake.open_issue(7, issue_body(reference="def add_one(x):\n    return x + 2\n"))
    ended = generation(type(steps)(tools), tools, guided(second_round(), start="scratch"))
    request = dispatched(fake)
    assert (request.parent_kernel, request.parent_head_sha) == (None, None)
    assert "x + 2" not in request.reference_py
    assert request.feedback is not None
    assert ended.end == "published"
    # On top of the branch all the same: one commit more, and no other branch.
    assert fake.commits[fake.branches["kernel/7-add-one"]][1] == first_head
    assert len(fake.pulls) == 1


def test_from_scratch_to_the_same_kernel_is_no_commit(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any, bundles: Any
) -> None:
    generation(steps, tools, job)
    head = fake.branches["kernel/7-add-one"]
    fake.on_dispatch = lambda inputs: (
        [("completed", "success")],
        bundles.make_bundle(
            KernelRequest.model_validate_json(inputs["request"]),
            kernel='"""Kernel of round 0."""\n',
        ),
    )
    ended = generation(type(steps)(tools), tools, guided(second_round(), start="scratch"))
    assert ended.end == "unsolved"
    assert fake.branches["kernel/7-add-one"] == head


def test_another_try_without_words_has_no_feedback(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    generation(steps, tools, job)
    request = prepare(fake, tools, guided(second_round(), guidance="")).accepted()
    assert request.feedback is None
    assert request.parent_kernel is not None


def test_reviews_taken_together_are_one_feedback_with_everybodys_words(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    generation(steps, tools, job)
    path = "problems/add_one/kernel.py"
    for review_id, body in ((1, "too slow\x00"), (2, "why?")):
        fake.reviews[review_id] = [
            ReviewComment(path=path, line=1, diff_hunk="@@ -0,0 +1 @@\n+a", body=body)
        ]
    more = (
        Voice(sender="hubot", guidance="name the axes", review_id=2),
        Voice(sender="mona", guidance="", review_id=3),
    )
    second = guided(second_round(), guidance="fewer registers", review_id=1, more=more)
    feedback = prepare(fake, tools, second).accepted().feedback
    assert feedback is not None
    assert feedback.author == "mona, hubot"
    assert feedback.text == "mona: fewer registers\n\nhubot: name the axes"
    assert [comment.body for comment in feedback.comments] == ["too slow", "why?"]
