"""What the bot writes: foreign text stays harmless, limits hold, nothing unmeasured is claimed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from markdown_it import MarkdownIt

from bot.messages import comments, progress, pull_request, run_ends
from bot.messages.change import changed, check_summary
from bot.messages.markdown import clip, code, fence, table
from bot.preparation import dispatch_inputs
from bot.records import FaultRow, Job
from runner.contract import (
    Check,
    Correctness,
    EvaluationStatus,
    Feedback,
    InlineComment,
    KernelRequest,
    Outcome,
    Workload,
)
from tests.fakes.measured import baseline, compared, compiled, measured, timing

HOSTILE = [
    "@octo/everyone look",
    "closes #1",
    "`@mona`",
    "``` \n@mona\n```",
    "</details> @mona",
    "![](https://evil.example/pixel.png)",
    "[click](javascript:alert(1))",
    "<!-- kernelwright:progress request_id=kw-0123456789abcdef -->",
    "a | b @mona",
    "line\n\n# heading @mona",
    "`" * 30 + " @mona",
    "\u202e@mona",
    "~~~\n@mona\n~~~",
    "    @mona",
    "| a |\n|---|\n| @mona |",
    "\\` @mona",
]

PLACE = pull_request.Place(
    web_url="https://github.example/octo/kernels",
    sha="c" * 40,
    folder="problems/add_one",
    branch="kernel/7-add_one",
)


def outside_code(markdown: str) -> str:
    """All text that GitHub would search for mentions, references, links and markers."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    found = []
    for token in tokens:
        if token.type == "html_block":
            found.append(token.content)
        for child in token.children or []:
            if child.type != "code_inline":
                found.append(child.content + "".join(str(v) for v in child.attrs.values()))
    return " ".join(found)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "show",
    [code, fence, lambda text: table(["a", "b"], [[code(text), "x"]])],
    ids=["code", "fence", "cell"],
)
def test_foreign_text_stays_inside_code(show: Any, text: str) -> None:
    seen = outside_code(f"before\n\n{show(text)}\n\nafter")
    for sign in ("@", "#1", "evil", "javascript", "kernelwright:", "details"):
        assert sign not in seen
    assert "before" in seen
    assert "after" in seen


def test_code_is_one_short_line() -> None:
    assert code("a\nb\r\nc") == "`a b c`"
    assert code("") == "—"
    assert code("`") == "`` ` ``"
    assert len(code("x" * 1000, 50)) == 52


def test_a_long_fence_is_cut_and_still_closed() -> None:
    block = fence("````\n" + "x" * 100, limit=50)
    assert block.startswith("`````text\n")
    assert block.endswith("\n`````")
    assert "(cut)" in block


def test_clip_drops_whole_sections_and_says_so() -> None:
    parts = ["head", "x" * 60, "y" * 80]
    text = clip(parts, limit=140)
    assert text.startswith("head\n\nxxx")
    assert "y" * 80 not in text
    assert "the last 1 parts" in text
    assert len(text) <= 140
    assert clip(parts) == "\n\n".join(parts)


@pytest.fixture
def request_of(issue_body: Any) -> KernelRequest:
    from bot.issue_form import parse_form

    form = parse_form(issue_body())
    return KernelRequest(
        request_id="kw-0123456789abcdef", repository="octo/kernels", base_sha="a" * 40,
        issue_number=7, generation=0, requested_by="mona", problem_toml=form.problem_toml,
        reference_py=form.reference_py,
    )  # fmt: skip


@pytest.fixture
def manifest(bundles: Any, request_of: KernelRequest) -> Any:
    return bundles.manifest(request_of, {}, bundles.passed("kernel"))


def test_the_pull_requests_body_says_what_was_checked_and_what_was_not(
    manifest: Any, request_of: KernelRequest
) -> None:
    body = pull_request.body(manifest, request_of, (), PLACE)
    for words in (
        "not measured: no GPU", "Closes #7", "77 output elements", "sm_90", "bubblewrap",
        "python -m runner verify problems/add_one", "handwritten", "torch 2.13.0",
    ):  # fmt: skip
        assert words in body
    assert "fast" not in pull_request.title(manifest)
    assert outside_code(body).count("#") == 1  # the issue that it closes


def test_a_spec_that_sets_its_own_tolerance_is_said_to(
    manifest: Any, request_of: KernelRequest
) -> None:
    assert "error budget itself" not in pull_request.body(manifest, request_of, (), PLACE)
    reason = "``` @mona said so, " + "and said it at length, " * 9
    loose = f'[tolerance]\nmultiplier = 9\nreason = "{reason}"\n\n[axes]'
    text = request_of.problem_toml.replace("[axes]", loose, 1)
    body = pull_request.body(
        manifest, request_of.model_copy(update={"problem_toml": text}), (), PLACE
    )
    assert "9 times the reference's own error, where 2 times is the default" in body
    assert "@mona" not in outside_code(body)
    told = next(line for line in body.splitlines() if "@mona said so" in line)
    assert len(told) <= 88


@pytest.fixture
def improved(bundles: Any, request_of: KernelRequest) -> Any:
    """A round on a GPU that was faster than every baseline, with its pictures."""
    rows = (baseline("eager", 2.0), baseline("compile", 1.31, spread=0.02))
    best = measured(timing(Workload(axes={"N": 4096}), baselines=rows))
    folder = "problems/add_one"
    files = {f"{folder}/{name}": b"<svg/>" for name in ("search.svg", "times.svg")}
    gpu = {"gpu": "NVIDIA H100 80GB HBM3", "driver": "580.1", "clocks_mhz": {"sm": 1980}}
    made = bundles.manifest(request_of, files, best, outcome="IMPROVED")
    environment = made.environment.model_copy(update=gpu)
    return made.model_copy(update={"environment": environment})


def test_a_win_is_named_with_its_strongest_baseline(improved: Any) -> None:
    assert pull_request.title(improved) == (
        "kernel: add_one, 1.31× vs torch.compile on H100 80GB HBM3"  # noqa: RUF001
    )


def test_without_a_win_the_title_claims_none(improved: Any) -> None:
    no_win = improved.model_copy(update={"outcome": Outcome.CORRECT})
    assert pull_request.title(no_win).startswith("kernel: add_one, correct, no significant win (")


def test_the_body_shows_each_workload_against_each_baseline(
    improved: Any, request_of: KernelRequest
) -> None:
    body = pull_request.body(improved, request_of, (), PLACE)
    row = "| `N=4096` | 1 ms | `torch.compile` | 1.31 ms | 1.310 [1.290, 1.330] | faster | 50% |"
    for words in (
        row, "| `PyTorch eager` | 2 ms |", "NVIDIA H100 80GB HBM3", "sm 1980 MHz",
        "python -m pytest problems/add_one/test_kernel.py problems/add_one/bench_kernel.py",
        "What the model was asked", "Full verifier report", "Attempts by phase: 2 × explore",  # noqa: RUF001
    ):  # fmt: skip
        assert words in body
    why = body.split("### Why believe it")[1].split("###")[0]
    assert len([line for line in why.splitlines() if line.strip()]) <= 10


def test_every_link_of_the_body_leads_to_the_commit(
    improved: Any, request_of: KernelRequest
) -> None:
    body = pull_request.body(improved, request_of, (), PLACE)
    links = re.findall(r"\]\(([^)]*)\)", body) + re.findall(r"https?://[^\s)]+", body)
    base = f"{PLACE.web_url}/raw/{PLACE.sha}/problems/add_one"
    assert set(links) == {f"{base}/search.svg", f"{base}/times.svg"}


def test_a_bundle_without_pictures_has_no_link_to_them(
    manifest: Any, request_of: KernelRequest
) -> None:
    assert ".svg" not in pull_request.body(manifest, request_of, (), PLACE)


def test_a_picture_of_times_is_shown_where_there_are_some(
    bundles: Any, request_of: KernelRequest
) -> None:
    files = {f"problems/add_one/{name}": b"<svg/>" for name in ("search.svg", "times.svg")}
    made = bundles.manifest(request_of, files, bundles.passed("kernel", 32))
    body = pull_request.body(made, request_of, (), PLACE)
    assert "search.svg" in body
    assert "times.svg" not in body


def test_no_size_of_anything_breaks_the_limit(improved: Any, request_of: KernelRequest) -> None:
    """Every list as long and every text as large as a bundle may carry them."""
    long = "`@x | ~~~ " * 3000
    axes = {f"AXIS_{n}": 1 << 40 for n in range(60)}
    huge = [
        timing(
            Workload(axes={**axes, "N": n}),
            baselines=tuple(baseline(f"{long}{k}", 2.0) for k in range(12)),
        )
        for n in range(40)
    ]
    cases = tuple(
        compared(Workload(axes={**axes, "N": n % 50}), distribution=f"{long}{n % 70}", output=long)
        for n in range(3000)
    )
    best = measured(
        *huge, correctness=Correctness(cases=cases), detail=long * 9, summary=long,
        checks=tuple(Check(name=long, detail=long) for _ in range(300)),
        stage_s={f"{long}{n}": 1.0 for n in range(300)},
        resources=tuple(compiled(kernel=long) for _ in range(500)),
    )  # fmt: skip
    gpu = {"gpu": long, "driver": long, "clocks_mhz": {long: 1, "b": 2}, "torch": long}
    manifest = improved.model_copy(
        update={
            "best": best,
            "outcome": Outcome.CORRECT,
            "model": long,
            "stopped_because": long,
            "environment": improved.environment.model_copy(update=gpu),
        }
    )
    request = request_of.model_copy(
        update={"feedback": Feedback(author="m", text=long, comments=())}
    )
    body = pull_request.body(manifest, request, (), PLACE)
    assert len(body) <= 65_536
    assert "Closes #7" in body
    assert "@" not in outside_code(body)
    assert len(pull_request.title(manifest)) <= 256
    assert len(check_summary(manifest)) <= 65_535


def test_a_round_without_a_kernel_shows_its_nearest_miss_and_the_failing_input(
    bundles: Any, request_of: KernelRequest, job: Job
) -> None:
    wrong = compared(
        Workload(axes={"N": 77}), distribution="heavy tail", max_error=3e-6, wrong_elements=5,
        expected=1.0, found=1.5,
    )  # fmt: skip
    miss = bundles.rejected("y: 5 of 77 elements wrong").model_copy(
        update={
            "status": EvaluationStatus.INCORRECT_NUMERICAL,
            "stage": "correctness",
            "correctness": Correctness(cases=(compared(), wrong)),
        }
    )
    rows = (bundles._attempt(1, miss), bundles._attempt(2, bundles.rejected("@mona")))
    text = run_ends.unsolved(
        bundles.manifest(request_of, {}, None, attempts=rows), "https://github.example/runs/1", job
    )
    assert "The nearest was attempt 1, INCORRECT_NUMERICAL" in text
    assert "| workload | `N=77` |" in text
    assert "| inputs | `heavy tail` |" in text
    assert "| expected, found | 1, 1.5 |" in text
    assert "5 of 77" in text
    assert "@" not in outside_code(text)


def test_a_dispatch_is_ascii_and_round_trips(request_of: KernelRequest) -> None:
    request = request_of.model_copy(update={"requested_by": "møna 🌋"})
    sent = dispatch_inputs(request)["request"]
    assert sent.isascii()
    assert KernelRequest.model_validate_json(sent) == request


@pytest.mark.parametrize(
    ("usd", "shown"), [(None, "not known"), (0.0, "US$ 0.00"), (1.5, "US$ 1.50")]
)
def test_a_price_that_is_not_known_is_not_nought(
    manifest: Any, request_of: KernelRequest, usd: float | None, shown: str
) -> None:
    priced = manifest.model_copy(update={"cost": manifest.cost.model_copy(update={"usd": usd})})
    assert f"| price | {shown} |" in pull_request.body(priced, request_of, (), PLACE)


def test_a_run_without_sandbox_is_said_to_be_one(manifest: Any, request_of: KernelRequest) -> None:
    unsafe = manifest.environment.model_copy(update={"sandbox": "none"})
    body = pull_request.body(
        manifest.model_copy(update={"environment": unsafe}), request_of, (), PLACE
    )
    assert "without a sandbox" in body


def test_hostile_texts_of_a_bundle_stay_inside_code(
    bundles: Any, request_of: KernelRequest
) -> None:
    for text in HOSTILE:
        bad = bundles.manifest(
            request_of, {}, bundles.passed("kernel"), model=text, stopped_because=text,
            attempts=(
                bundles._attempt(1, bundles.rejected(text)),
                bundles._attempt(2, bundles.passed("kernel")),
            ),
        )  # fmt: skip
        feedback = Feedback(
            author="mona", text=text,
            comments=(InlineComment(path=text, line=3, code=text, body=text),),
        )  # fmt: skip
        for shown in (
            pull_request.body(bad, request_of, (), PLACE),
            changed(bad, feedback, (), "c" * 40),
            check_summary(bad),
        ):
            seen = outside_code(shown)
            assert "@" not in seen
            assert "evil" not in seen
            assert "javascript" not in seen


def test_a_huge_bundle_still_fits_githubs_limits(bundles: Any, request_of: KernelRequest) -> None:
    long = "@x " * 5000
    attempts = tuple(bundles._attempt(n, bundles.rejected(long)) for n in range(1, 400))
    best = bundles.passed("kernel")
    cases = best.correctness.cases * 2000
    best = best.model_copy(
        update={"correctness": best.correctness.model_copy(update={"cases": cases})}
    )
    manifest = bundles.manifest(
        request_of, {}, best, attempts=(*attempts, bundles._attempt(400, best)), best_attempt=400
    )
    assert len(pull_request.body(manifest, request_of, (), PLACE)) <= 65_536
    assert "Closes #7" in pull_request.body(manifest, request_of, (), PLACE)
    assert "1940 more rows" in pull_request.body(manifest, request_of, (), PLACE)
    assert "python -m runner verify" in pull_request.body(manifest, request_of, (), PLACE)
    assert len(check_summary(manifest)) <= 65_535
    assert len(changed(manifest, None, (), "c" * 40)) <= 65_536


def test_resources_show_before_and_after(bundles: Any, manifest: Any) -> None:
    before = bundles.passed("old", registers=64).resources
    assert "64 → 32" in changed(manifest, None, before, "c" * 40)


def test_a_renamed_kernel_is_compared_where_it_is_the_only_one(bundles: Any, manifest: Any) -> None:
    (old,) = bundles.passed("old", registers=64).resources
    renamed = old.model_copy(update={"kernel": "another_name"})
    assert "64 → 32" in changed(manifest, None, (renamed,), "c" * 40)
    two = (renamed, old.model_copy(update={"kernel": "a_third"}))
    assert "64" not in changed(manifest, None, two, "c" * 40).split("#### Attempts")[0]


def test_faults_are_all_named_with_their_lines(job: Job) -> None:
    rows = [FaultRow(file="problem.toml", line=n, message=f"fault {n} @mona") for n in range(1, 31)]
    text = comments.faults([*rows, FaultRow(file="issue", line=None, message="missing")], job)
    assert "31 faults" in text
    assert all(f"problem.toml, line {n}" in text for n in range(1, 31))
    assert "@" not in outside_code(text)


def test_thousands_of_faults_still_fit_a_comment(job: Job) -> None:
    rows = [FaultRow(file="problem.toml", line=n, message="x" * 500) for n in range(5000)]
    text = comments.faults(rows, job)
    assert len(text) <= 65_536
    assert "Left out" in text


def test_a_failure_names_the_way_to_try_again(job: Job) -> None:
    text = run_ends.run_failed("cancelled", "https://github.example/runs/1", job)
    assert "https://github.example/runs/1" in text
    assert "remove the label `kernel-request` and add it again" in text


def test_markers_name_the_request_and_cannot_be_ended_by_an_id() -> None:
    assert "kw-0123456789abcdef" in progress.progress_marker("kw-0123456789abcdef")
    assert comments.reply_marker("a --> b") == "<!-- kernelwright:reply delivery=a--b -->"
