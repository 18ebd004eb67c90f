"""The demo: its story with instant runs, what it refuses, and that it does not flatter itself."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from bot.checks import AGAIN_NAME
from bot.demo import command, stage
from bot.demo.display import Display
from bot.demo.outcome import NotDone, collect
from bot.demo.reviews import REVIEWS
from bot.standin import GitStore, Job, Repository
from bot.standin.state import Account, Artifact, CheckRun, Issue, PullRequest, State, WorkflowRun
from runner.contract import KernelRequest

CHECKOUT = Path(__file__).parents[2]
SLUG = "rms_norm"
Runner = Callable[[Job], int]


def answers(slug: str, generation: int) -> list[str]:
    lines = (stage.TRANSCRIPTS / f"{slug}.jsonl").read_text("utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return [entry["content"] for entry in entries if entry["generation"] == generation]


def kernel_of(answer: str) -> str:
    return answer.split("```python\n")[1].split("```")[0]


@pytest.fixture
def instant_runs(bundles: ModuleType) -> Runner:
    """Runs that hand back the transcript's last kernel of the round, unverified and at once."""

    def verify(job: Job) -> int:
        folder = job.temp / "out" / "verdict"
        folder.mkdir(parents=True)
        row = bundles.passed("kernel", 32).model_dump_json()
        (folder / "verdict.json").write_text(f'{{"evaluations": [{row}]}}')
        return 0

    def run(job: Job) -> int:
        if "request" not in job.inputs:
            return verify(job)
        request = KernelRequest.model_validate_json(job.inputs["request"])
        kernel = kernel_of(answers(SLUG, request.generation)[-1])
        with zipfile.ZipFile(io.BytesIO(bundles.make_bundle(request, kernel=kernel))) as archive:
            archive.extractall(job.temp / "out" / "bundle")
        job.log_file.write_text(f"attempt 1  [PASSED]  round {request.generation}\n")
        return 0

    return run


@pytest.mark.parametrize("slug", sorted(REVIEWS))
def test_a_review_comments_on_a_line_of_the_kernel_that_it_reviews(slug: str) -> None:
    kernel = kernel_of(answers(slug, 0)[-1])
    assert sum(REVIEWS[slug].anchor in line for line in kernel.splitlines()) == 1
    assert answers(slug, 1), "the transcript has no answer to the review"


def test_every_transcript_has_its_review() -> None:
    assert {path.stem for path in stage.TRANSCRIPTS.iterdir()} == set(REVIEWS)


def test_the_story_ends_with_two_commits_and_the_facts_on_disk(
    tmp_path: Path, instant_runs: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    assert command.run(["--out", str(out), "--problem", SLUG], instant_runs) == 0
    facts = json.loads((out / "result.json").read_text())
    branch = facts["pull_request"]["branch"]
    assert branch == f"kernel/{facts['issue']}-rms-norm"
    log = ["git", "--git-dir", str(out / "repo.git"), "log", "--format=%H %an", f"main..{branch}"]
    shown = subprocess.run(log, capture_output=True, text=True, check=True).stdout.splitlines()
    assert shown == [f"{sha} kernelwright[bot]" for sha in reversed(facts["commits"])]
    assert len(shown) == 2
    assert f"problems/{SLUG}/kernel.py" in facts["files"]
    assert facts["statuses"] == [["REJECTED", "PASSED"]] * 2
    steps = {"start", "request", "pull_request", "verified", "review", "second_commit"}
    steps |= {"verified_again", "total"}
    assert set(facts["seconds"]) == steps
    page = (out / "pull_request.html").read_text()
    assert "wants to merge 2 commits" in page
    assert "requested changes" in page
    # Of the search alone: nothing was timed.
    assert page.count('src="data:image/svg+xml;base64,') == 1
    assert 'src="http' not in page
    printed = capsys.readouterr().out
    for seen in ("issues.labeled delivered, answered 202", "[PASSED]  round 1", "Closes #1"):
        assert seen in printed


def test_a_run_that_fails_ends_the_demo_with_the_step_and_the_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(job: Job) -> int:
        job.log_file.write_text("the machine is on fire\n")
        return 1

    assert command.run(["--out", str(tmp_path / "demo"), "--problem", SLUG], run) == 1
    printed = capsys.readouterr().out
    assert "The demo failed: The bot has a kernel written" in printed
    assert "the machine is on fire" in printed
    assert "kernelwright listens on" in printed
    assert not (tmp_path / "demo" / "result.json").exists()


def test_a_second_demo_starts_clean(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    stage.clean_folder(out)
    (out / "bot").mkdir()
    (out / "bot" / "kernelwright.sqlite").write_text("old")
    stage.clean_folder(out)
    assert [path.name for path in out.iterdir()] == [stage.MARKER]


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_a_folder_that_is_not_the_demos_is_left_alone(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, out = tmp_path / "mine", tmp_path / "out"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    if kind == "folder":
        mine.rename(out)
    elif kind == "file":
        out.write_text("years of work")
    else:
        (mine / stage.MARKER).touch()
        out.symlink_to(mine)
    assert command.run(["--out", str(out), "--problem", SLUG]) == 2
    assert "--out" in capsys.readouterr().err
    kept = out if kind == "file" else out / "thesis.txt"
    assert kept.read_text() == "years of work"


def test_an_unknown_problem_is_a_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.run(["--problem", "nothing"])
    assert ended.value.code == 2
    assert "relative_position_attention" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        (None, "not installed"),
        ("#!/bin/sh\necho 'no user namespaces' >&2; exit 1\n", "no user namespaces"),
        ("#!/bin/sh\nexit 0\n", None),
    ],
)
def test_says_why_there_is_no_sandbox_and_runs_without_it_openly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, fault: str | None
) -> None:
    if script is not None:
        (tmp_path / "bwrap").write_text(script)
        (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    problem = stage.read_problem(CHECKOUT, SLUG)
    with (tmp_path / "out").open("w+") as file:
        variables = command._variables(Display(Console(file=file, width=200)), problem)
        file.seek(0)
        printed = file.read()
    assert variables["KERNELWRIGHT_MODEL"] == f"replay:{problem.transcript}"
    if fault is None:
        assert printed == ""
        assert "KERNELWRIGHT_ALLOW_NO_SANDBOX" not in variables
    else:
        assert fault in printed
        assert "apt-get install bubblewrap" in printed
        assert variables["KERNELWRIGHT_ALLOW_NO_SANDBOX"] == "1"


def test_without_the_extras_the_demo_says_what_to_install() -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'openapi_core'):\n"
        "    sys.modules[name] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "gone = lambda name: sys.modules.get(name, 0) is None\n"
        "u.find_spec = lambda name, *a: None if gone(name) else find(name, *a)\n"
        "from bot.demo import main; sys.exit(main(['--out', '/nonexistent/x']))"
    )
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("kernelwright demo: torch, openapi_core missing: pip install")
    assert done.stderr.count("\n") == 1


def test_what_a_run_prints_is_shown_as_it_is(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+") as file:
        Display(Console(file=file, width=80)).log("[bold]attempt 1[/bold] [/] PASSED")
        file.seek(0)
        assert "[bold]attempt 1[/bold] [/] PASSED" in file.read()


BRANCH = "kernel/1-add-one"


@pytest.fixture
def finished(tmp_path: Path, bundles: ModuleType) -> tuple[State, Repository, Issue]:
    """A finished demo's state: two commits of the bot, two runs, one open pull request."""
    state = State(bot=Account(id=7, login="kernelwright[bot]", kind="Bot"))
    now = state.clock()
    git = GitStore.create(tmp_path / "repo.git", "main")
    base = git.commit_files("main", {"README.md": b"x"}, "First", state.bot.signature, now)
    repo = Repository(id=1, owner=state.account("octo"), name="k", git=git, created_at=now)
    fixture = Path(__file__).parents[1] / "fixtures" / "bundles" / "request.json"
    request = KernelRequest.model_validate_json(fixture.read_text("utf-8"))
    for number in (1, 2):
        data = bundles.make_bundle(request, kernel=f"# round {number}\n")
        sha = git.commit_files(
            BRANCH,
            {kernel_path(request): f"# round {number}\n".encode()},
            "k",
            state.bot.signature,
            now,
        )
        artifact = Artifact(id=number, name="a", data=data, created_at=now)
        run = WorkflowRun(
            id=number, number=number, workflow_file="generate.yml", name="generate",
            display_title=f"run {number}", head_branch="main", head_sha=base, actor=state.bot,
            inputs={}, created_at=now, updated_at=now, artifacts=[artifact],
        )  # fmt: skip
        repo.runs.append(run)
        check = CheckRun(id=number, name=AGAIN_NAME, head_sha=sha, conclusion="success")
        repo.check_runs.append(check)
    head = git.ref(f"refs/heads/{BRANCH}") or ""
    asked, answered = (
        Issue(
            id=n,
            number=n,
            title="kernel: k",
            body="",
            user=state.bot,
            created_at=now,
            updated_at=now,
        )
        for n in (1, 2)
    )
    answered.pull = PullRequest(
        id=3, head_ref=BRANCH, base_ref="main", head_sha=head, base_sha=base
    )
    repo.issues = {1: asked, 2: answered}
    return state, repo, asked


def kernel_path(request: KernelRequest) -> str:
    from runner.problem import problem_of

    return f"problems/{problem_of(request).name}/kernel.py"


def test_a_finished_demo_is_one(finished: tuple[State, Repository, Issue]) -> None:
    state, repo, issue = finished
    outcome = collect(repo, issue, state.bot)
    assert len(outcome.commits) == 2
    assert outcome.statuses == [["REJECTED", "PASSED"]] * 2


def close_the_pull(state: State, repo: Repository) -> None:
    repo.issues[2].closed_at = state.clock()


def commit_by_a_person(state: State, repo: Repository) -> None:
    ada = state.account("ada").signature
    repo.git.commit_files(BRANCH, {"NOTES.md": b"mine"}, "Mine", ada, state.clock())


def edit_the_kernel(state: State, repo: Repository) -> None:
    commit = repo.git.log(repo.issues[2].pull.base_sha, f"refs/heads/{BRANCH}")[0]  # type: ignore[union-attr]
    path = repo.git.changes(repo.issues[2].pull.base_sha, commit)[0].path  # type: ignore[union-attr]
    name, bot = f"refs/heads/{BRANCH}", state.bot.signature
    repo.git.update_ref(name, commit, repo.git.ref(name))
    repo.git.commit_files(BRANCH, {path: b"# another\n"}, "k", bot, state.clock())


def lose_an_artifact(_: State, repo: Repository) -> None:
    repo.runs[1].artifacts.clear()


def fail_a_verification(_: State, repo: Repository) -> None:
    repo.check_runs[1].conclusion = "failure"


def forget_a_verification(_: State, repo: Repository) -> None:
    repo.check_runs.pop()


def forget_a_run(_: State, repo: Repository) -> None:
    repo.runs.pop()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (close_the_pull, "one open pull request"),
        (commit_by_a_person, "two commits by the bot"),
        (edit_the_kernel, "is not the one that the verifier passed"),
        (lose_an_artifact, "left no artifact"),
        (forget_a_run, "two runs"),
        (fail_a_verification, "verified again of .*: failure"),
        (forget_a_verification, "was not verified again"),
    ],
)
def test_a_demo_that_fell_short_is_not_done(
    finished: tuple[State, Repository, Issue],
    spoil: Callable[[State, Repository], None],
    reason: str,
) -> None:
    state, repo, issue = finished
    spoil(state, repo)
    with pytest.raises(NotDone, match=reason):
        collect(repo, issue, state.bot)
