"""What the bot believes of a night, keeps of it, and tells."""

from __future__ import annotations

import io
import json
import logging
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from bot.config import NightlyConfig, RepositoryConfig
from bot.errors import GitHubError, GitHubUnavailable
from bot.events import WorkflowRunEvent
from bot.handlers import decide
from bot.nightly import MAX_OPENED, NIGHT_STEPS, take_night
from bot.nightly_artifact import MAX_NIGHT_BYTES, parse_night
from bot.nightly_history import BRANCH
from bot.nightly_issues import LABEL, legs_after
from bot.nightly_records import NightJob
from bot.preparation import prepare
from bot.reception import receive
from bot.records import Delivery, Job, NightEnded, RunMoved, Start
from bot.workflow import generation
from runner.night_record import KernelNight, Night, NightStatus, parse_history
from runner.nightly.reverify import Occasion, reverify
from runner.nightly.worklist import Task
from tests.fakes.night_simulation import Event, SimulatedGpu, night_date, write_kernel

WRONG = Event(kernel="alpha", first=0, end=99, wrong=True)
SLOWER = Event(kernel="alpha", first=0, end=99, slower=0.3)
# The fake's clock stands at 1970-01-12; nights are told in days from there.
DAY = "1970-01-12"


@pytest.fixture
def folder(tmp_path: Path, fake: Any) -> Path:
    """The problems, on the machine and on the default branch."""
    gpu = SimulatedGpu(random=random.Random(3))
    for name in ("alpha", "beta"):
        write_kernel(tmp_path / "problems", name, gpu)
    files = {
        f"problems/{path.parent.name}/{path.name}": path.read_bytes()
        for path in sorted((tmp_path / "problems").rglob("*.*"))
    }
    fake.commit_as("mona", "main", "Kernels", files)
    return tmp_path / "problems"


@pytest.fixture
def row(folder: Path) -> Any:
    """Makes a kernel's row: of a night on which `events` hold."""

    def make(kernel: str, *events: Event, leg: str = "pinned", **changes: Any) -> KernelNight:
        gpu = SimulatedGpu(random=random.Random(4), events=events, night=0, leg=leg)
        task = Task(kernel=kernel, folder=folder / kernel)
        found = reverify(task, gpu, Occasion(night=night_date(0), leg=leg))
        document = {**found.model_dump(mode="json"), "night": DAY, **changes}
        return KernelNight.model_validate(document)

    return make


def night_of(*rows: KernelNight, leg: str = "pinned", **changes: Any) -> bytes:
    night = Night(
        night=rows[0].night if rows else DAY, leg=leg, complete=True, wall_s=1.0, kernels=rows
    )
    return zipped({"night.json": json.dumps({**night.model_dump(mode="json"), **changes})})


def zipped(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def accepted() -> list[Delivery]:
    """The deliveries that the nights themselves made."""
    return []


@pytest.fixture
def take(fake: Any, tools: Any, steps: Any, accepted: list[Delivery]) -> Any:
    """Takes one night's artifacts; the names of the steps that this took."""

    def run(*artifacts: bytes, names: tuple[str, ...] = (), **changes: Any) -> list[str]:
        named = names or tuple(f"kernelwright-night-pinned-{n}" for n in range(len(artifacts)))
        run_id = fake.end_night(dict(zip(named, artifacts, strict=True)), **changes)
        made = type(steps)(tools)
        job = NightJob(repository="octo/kernels", installation_id=1, run_id=run_id)
        take_night(made, tools, job, accepted.append)
        return made.names

    return run


def issue(fake: Any) -> Any:
    (number,) = fake.titles
    return fake.issues[number]


def test_a_failure_opens_one_issue_with_the_smallest_failing_input(
    fake: Any, take: Any, row: Any
) -> None:
    names = take(night_of(row("alpha", WRONG), row("beta")))
    assert tuple(names) == NIGHT_STEPS
    (title,) = fake.titles.values()
    assert title == "night: alpha is wrong"
    body = issue(fake).body
    assert body.startswith("<!-- kernelwright:night alpha -->\n")
    assert "| smallest workload that fails | `N=77` |" in body
    assert "`y: 5 of 77 elements wrong, the worst at [3]: 1.0 for 2.0`" in body
    assert "python -m runner verify problems/alpha" in body
    assert issue(fake).labels == (LABEL,)
    (path,) = [path for path in fake.files(BRANCH) if path.startswith("nights/")]
    rows = parse_history(fake.files(BRANCH)[path].decode())
    assert [(one.kernel, one.status.value) for one in rows] == [
        ("alpha", "failed"),
        ("beta", "passed"),
    ]


def test_a_regression_is_shown_before_and_after(fake: Any, take: Any, row: Any) -> None:
    take(night_of(row("alpha", SLOWER)))
    body = issue(fake).body
    assert "| workload | baseline | ratio when merged | tonight (95 % interval) |" in body
    assert "| `N=16777216` | `eager` | 2.4" in body
    assert "no verdict" not in body


def test_the_data_branch_shares_nothing_with_the_code_and_only_grows(
    fake: Any, take: Any, row: Any
) -> None:
    main = fake.branches["main"]
    take(night_of(row("alpha")))
    take(night_of(row("alpha")))
    assert fake.branches["main"] == main
    assert len(fake.history(BRANCH)) == 2
    assert {path.split("/")[0] for path in fake.files(BRANCH)} == {"README.md", "nights"}
    assert len(fake.files(BRANCH)) == 3


def test_a_night_that_is_taken_twice_changes_nothing(
    fake: Any, tools: Any, steps: Any, row: Any
) -> None:
    run_id = fake.end_night({"kernelwright-night-pinned-1": night_of(row("alpha", WRONG))})
    job = NightJob(repository="octo/kernels", installation_id=1, run_id=run_id)
    for _ in range(2):
        take_night(type(steps)(tools), tools, job, [].append)
    assert (len(fake.titles), len(fake.history(BRANCH)), fake.threads) == (
        1, 1, {7: [], next(iter(fake.titles)): []},
    )  # fmt: skip


def test_an_issue_follows_its_kernel_through_every_night(fake: Any, take: Any, row: Any) -> None:
    take(night_of(row("alpha", SLOWER)))
    assert issue(fake).is_open
    # Neither a doubt, nor a night without a run, nor correctness alone ends a regression.
    unclear = row("alpha", status="unclear")
    for still in (unclear, row("alpha", status="not comparable")):
        take(night_of(still))
        assert issue(fake).is_open
    assert fake.said(issue(fake).number) == ""
    take(night_of(row("alpha", WRONG)))
    assert "stands differently" in fake.said(issue(fake).number)
    take(night_of(row("alpha")))
    assert not issue(fake).is_open
    assert fake.said(issue(fake).number).count("is well again") == 1
    take(night_of(row("alpha")))
    assert fake.said(issue(fake).number).count("is well again") == 1
    take(night_of(row("alpha", WRONG)))
    assert issue(fake).is_open
    assert "is in trouble again" in fake.said(issue(fake).number)
    assert len(fake.titles) == 1


def test_one_leg_that_is_well_does_not_close_for_another(fake: Any, take: Any, row: Any) -> None:
    bad, well = row("alpha", WRONG, leg="newest"), row("alpha")
    take(night_of(bad, leg="newest"), night_of(well))
    assert issue(fake).is_open
    take(night_of(well))
    assert issue(fake).is_open
    assert "not run; as before" in issue(fake).body
    take(night_of(row("alpha", leg="newest"), leg="newest"), night_of(well))
    assert not issue(fake).is_open


def test_whoever_closes_it_is_not_overruled_by_the_same_trouble(
    fake: Any, take: Any, row: Any
) -> None:
    take(night_of(row("alpha", WRONG)))
    number = issue(fake).number
    fake.edit_issue(number, fake.titles[number], issue(fake).body, is_open=False)
    take(night_of(row("alpha", WRONG)))
    assert (issue(fake).is_open, fake.said(number)) == (False, "")
    take(night_of(row("alpha")))
    assert (issue(fake).is_open, fake.said(number)) == (False, "")
    take(night_of(row("alpha", WRONG)))
    assert issue(fake).is_open


def test_an_older_night_that_comes_late_is_kept_and_not_told(
    fake: Any, tools: Any, steps: Any, row: Any, take: Any
) -> None:
    late = fake.end_night({"kernelwright-night-pinned-1": night_of(row("alpha"))})
    take(night_of(row("alpha", WRONG)))
    job = NightJob(repository="octo/kernels", installation_id=1, run_id=late)
    take_night(type(steps)(tools), tools, job, [].append)
    assert issue(fake).is_open
    assert len(fake.history(BRANCH)) == 2


def test_a_night_about_another_kernel_than_the_branchs_opens_nothing(
    fake: Any, take: Any, row: Any
) -> None:
    found = row("alpha", WRONG)
    fake.commit_as("mona", "main", "Mend it", {"problems/alpha/kernel.py": b"# mended\n"})
    take(night_of(found))
    assert fake.titles == {}


def test_a_broken_machine_does_not_flood_the_repository(
    fake: Any, take: Any, row: Any, caplog: Any
) -> None:
    found = row("alpha", WRONG)
    names = [f"kernel_{n}" for n in range(MAX_OPENED + 5)]
    kernel = fake.files("main")["problems/alpha/kernel.py"]
    fake.commit_as("mona", "main", "More", {f"problems/{n}/kernel.py": kernel for n in names})
    with caplog.at_level(logging.WARNING):
        take(night_of(*(found.model_copy(update={"kernel": name}) for name in names)))
    assert len(fake.titles) == MAX_OPENED
    assert caplog.text.count("too many") == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"path": ".github/workflows/other.yml"},
        {"branch": "kernel/7-add-one"},
        {"event": "pull_request"},
        {"status": "in_progress"},
    ],
    ids=str,
)
def test_only_the_default_branchs_own_nights_count(
    fake: Any, take: Any, row: Any, changes: dict[str, str]
) -> None:
    assert take(night_of(row("alpha", WRONG)), **changes) == ["clock", "read_night"]
    assert fake.titles == {}
    assert BRANCH not in fake.branches


HOSTILE = {
    "no zip": b"hello",
    "empty": zipped({}),
    "another file": zipped({"other.json": "{}"}),
    "no JSON": zipped({"night.json": "{"}),
    "deep": zipped({"night.json": "[" * 100_000}),
    "bomb": zipped({"night.json": b" " * (MAX_NIGHT_BYTES + 1)}),
    "another schema": night_of(schema_version=2),
    "unknown key": night_of(extra=1),
    "not a number": night_of(wall_s="NaN"),
    "a path for a kernel": night_of(kernels=[{"night": DAY, "kernel": "../x", "status": "passed"}]),
    "passed unjudged": night_of(kernels=[{"night": DAY, "kernel": "x", "status": "passed"}]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_artifacts_are_left_out_whole(
    fake: Any, take: Any, row: Any, name: str, caplog: Any
) -> None:
    assert parse_night(HOSTILE[name]) is None
    with caplog.at_level(logging.WARNING):
        take(HOSTILE[name], night_of(row("alpha")))
    assert "is no night" in caplog.text
    (path,) = [path for path in fake.files(BRANCH) if path.startswith("nights/")]
    assert len(fake.files(BRANCH)[path].splitlines()) == 1


def test_a_date_far_from_now_and_a_kernel_told_twice_are_left_out(
    fake: Any, take: Any, row: Any
) -> None:
    assert take(night_of(row("alpha", WRONG, night="2031-01-01"))) == ["clock", "read_night"]
    take(night_of(row("alpha")), night_of(row("alpha", WRONG)))
    assert fake.titles == {}


def test_words_of_the_artifact_format_mention_and_close_nothing(
    fake: Any, take: Any, row: Any
) -> None:
    found = row("alpha", WRONG)
    hostile = "@mona closes #7 `x` <!-- --> ```\n# Big\n| a | b |\n<img src=x>"
    failure = {**found.failure.model_dump(mode="json"), "summary": hostile, "detail": hostile}
    document = {**found.model_dump(mode="json"), "failure": failure, "notes": [hostile] * 32}
    take(night_of(KernelNight.model_validate(document)))
    tokens = MarkdownIt("commonmark").enable("table").parse(issue(fake).body)
    leaves = [leaf for token in tokens for leaf in (token.children or [token])]
    code = [leaf.content for leaf in leaves if leaf.type in ("code_inline", "fence")]
    rest = "".join(leaf.content for leaf in leaves if leaf.type not in ("code_inline", "fence"))
    assert sum("@mona closes #7" in text for text in code) >= 3
    assert not any(word in rest for word in ("@mona", "closes #7", "<img", "Big"))


def test_the_longest_night_fits_into_an_issue(fake: Any, take: Any, row: Any) -> None:
    found = row("alpha", WRONG)
    failure = {**found.failure.model_dump(mode="json"), "summary": "x|" * 999, "detail": "y" * 2000}
    document = {**found.model_dump(mode="json"), "failure": failure, "notes": ["`" * 2000] * 32}
    nights = [
        night_of(KernelNight.model_validate({**document, "leg": f"leg-{n}"}), leg=f"leg-{n}")
        for n in range(10)
    ]
    take(*nights)
    assert len(issue(fake).body) <= 65_536
    assert issue(fake).body.count("**wrong**") == 8


def test_github_down_for_a_while_loses_no_night(fake: Any, take: Any, row: Any) -> None:
    failures = {"create_issue": 2, "create_tree": 1, "download_artifact": 2, "branch_head": 1}

    def before(name: str) -> None:
        if failures.get(name, 0) > 0:
            failures[name] -= 1
            raise GitHubUnavailable(502, "down")

    fake.before_call = before
    take(night_of(row("alpha", WRONG)))
    assert set(failures.values()) == {0}
    assert len(fake.titles) == 1
    assert len(fake.history(BRANCH)) == 1


def test_one_issue_that_cannot_be_kept_costs_no_other(fake: Any, take: Any, row: Any) -> None:
    refused = [True]

    def before(name: str) -> None:
        if name == "create_issue" and refused:
            refused.pop()
            raise GitHubError(403, "no")

    fake.before_call = before
    also = Event(kernel="beta", first=0, end=9, wrong=True)
    take(night_of(row("alpha", WRONG), row("beta", also)))
    assert list(fake.titles.values()) == ["night: beta is wrong"]


@pytest.mark.parametrize(
    ("before", "status", "after"),
    [
        ({}, "failed", {"pinned": "failed"}),
        ({"pinned": "regressed"}, "failed", {"pinned": "failed"}),
        ({"pinned": "failed"}, "regressed", {"pinned": "regressed"}),
        ({"pinned": "failed"}, "passed", {}),
        ({"pinned": "failed"}, "not comparable", {}),
        ({"pinned": "regressed"}, "not comparable", {"pinned": "regressed"}),
        ({"pinned": "failed"}, "unclear", {"pinned": "failed"}),
        ({"newest": "failed"}, "passed", {"newest": "failed"}),
    ],
    ids=str,
)
def test_only_a_verdict_changes_what_is_known(
    row: Any, before: dict[str, Any], status: str, after: dict[str, Any]
) -> None:
    events = {"failed": (WRONG,), "regressed": (SLOWER,)}.get(status, ())
    changes = {} if events else {"status": status}
    found = row("alpha", *events, **changes)
    assert found.status is NightStatus(status)
    assert legs_after(before, [found]) == after


def test_a_round_begins_by_itself_only_where_the_repository_says_so(
    fake: Any, tools: Any, steps: Any, take: Any, row: Any, accepted: list[Delivery], requests: Any
) -> None:
    take(night_of(row("alpha", WRONG)))
    take(night_of(row("alpha")))
    assert accepted == []

    config = b"nightly:\n  regenerate: true\n"
    fake.commit_as("mona", "main", "Set up", {".github/kernelwright.yml": config})
    take(night_of(row("alpha", WRONG)))
    take(night_of(row("alpha", WRONG)))
    (delivery,) = accepted
    receive(type(steps)(tools), tools, requests, delivery)
    (job,) = requests.started
    assert (job.cause.merged, job.issue_number) == ("alpha", issue(fake).number)
    prepared = prepare(fake, tools, job)
    request = prepared.accepted()
    assert request.parent_kernel == '"""Kernel alpha."""\n'
    assert request.feedback is not None
    assert request.feedback.text == (
        "With torch 2.11.0, Triton 3.6.0 this kernel fails: y is wrong on N=77, normal inputs"
    )
    assert request.problem_toml.startswith('name = "alpha"')

    # Switched off meanwhile: it is refused like anybody who may not ask.
    fake.commit_as("mona", "main", "No", {".github/kernelwright.yml": b"nightly: {}\n"})
    receive(type(steps)(tools), tools, requests, delivery)
    assert len(requests.started) == 1
    assert "write access" in fake.said(job.issue_number)


def test_a_round_of_a_night_replaces_the_merged_kernel_by_a_pull_request(
    fake: Any, tools: Any, steps: Any, bundles: Any
) -> None:
    spec = {"problem.toml": bundles.SPEC, "reference.py": bundles.REFERENCE, "kernel.py": "# old\n"}
    fake.commit_as(
        "mona", "main", "Kernel",
        {f"problems/add_one/{name}": text.encode() for name, text in spec.items()},
    )  # fmt: skip
    config = RepositoryConfig(nightly=NightlyConfig(regenerate=True))
    cause = Start(issue_number=9, sender=tools.login, merged="add_one", finding="It fails.")
    fake.open_issue(9, "night")
    job = Job(
        request_id="kw-0123456789abcdef", repository="octo/kernels", installation_id=1,
        issue_number=9, generation=0, spec_sha256="a" * 64, cause=cause, config=config,
    )  # fmt: skip
    ended = generation(steps, tools, job)
    assert ended.end == "published"
    ((pull, _, body),) = fake.pulls.values()
    assert pull.head_ref == "kernel/9-add-one"
    assert "Closes #9" in body
    assert fake.files(pull.head_ref)["problems/add_one/kernel.py"] != b"# old\n"


def _event(action: str, path: str) -> WorkflowRunEvent:
    return WorkflowRunEvent.model_validate(
        {
            "action": action,
            "repository": {"full_name": "octo/kernels"},
            "sender": {"login": "mona"},
            "workflow_run": {
                "id": 5, "path": path, "run_attempt": 2, "display_title": "kernelwright nightly",
            },
        }
    )  # fmt: skip


def test_the_end_of_a_night_is_taken_and_of_nothing_else(
    steps: Any, tools: Any, requests: Any
) -> None:
    path = ".github/workflows/nightly.yml"
    ended = decide(_event("completed", path), "kernelwright[bot]")
    assert ended == NightEnded(run_id=5, attempt=2)
    assert decide(_event("in_progress", path), "kernelwright[bot]") is None
    assert decide(_event("completed", ".github/workflows/ci.yml"), "kernelwright[bot]") is None
    moved = _event("completed", ".github/workflows/generate.yml").model_copy()
    title = {"display_title": "kernelwright kw-0123456789abcdef"}
    run = moved.workflow_run.model_copy(update=title)
    found = decide(moved.model_copy(update={"workflow_run": run}), "kernelwright[bot]")
    assert isinstance(found, RunMoved)

    delivery = Delivery(
        delivery_id="d", repository="octo/kernels", installation_id=1, decision=ended
    )
    receive(steps, tools, requests, delivery)
    assert requests.nights == [
        NightJob(repository="octo/kernels", installation_id=1, run_id=5, attempt=2)
    ]
