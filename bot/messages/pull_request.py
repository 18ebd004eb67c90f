"""What a reviewer reads first: the pull request's title, body and commit message. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.messages.evidence import (
    attempts_table,
    benchmark_table,
    best_of,
    correctness_matrix,
    correctness_table,
    headline,
    resources_table,
    tolerance_note,
    why_believe_it,
)
from bot.messages.markdown import clip, code, fence, fold, paragraphs, table
from bot.messages.run_facts import (
    asked_of_the_model,
    cost_table,
    environment_table,
    nearest_miss,
)
from runner.bundle import PICTURES
from runner.contract import Evaluation, KernelRequest, KernelResources, Outcome, ResultBundle
from runner.headline import claim
from runner.problem import problem_of

# GitHub refuses a longer title.
MAX_TITLE_CHARS = 256
_SEARCH, _TIMES = PICTURES
_ALT = {
    _SEARCH: "Every attempt of the search, and the best so far",
    _TIMES: "Time of the kernel and of its baselines over the benchmark sizes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the kernel is: the repository's page, the commit, the folder in it, the branch."""

    web_url: str
    sha: str
    folder: str
    branch: str


def title(manifest: ResultBundle) -> str:
    said = claim(manifest.outcome, best_of(manifest), manifest.environment)
    return f"kernel: {manifest.problem}, {said}"[:MAX_TITLE_CHARS]


def commit_message(manifest: ResultBundle, issue_number: int) -> str:
    """Subject, facts, and the trailers by which the bot knows its own commit again."""
    best = best_of(manifest)
    verb = "Add" if manifest.generation == 0 else "Change"
    cases = len(best.correctness.cases) if best.correctness else 0
    return (
        f"{verb} kernel {manifest.problem}\n\n"
        f"Correct in {cases} comparisons on {best.device}; attempt {manifest.best_attempt} of "
        f"{len(manifest.attempts)}. Request: #{issue_number}.\n\n"
        f"{request_trailer(manifest.request_id or '')}\n"
        f"Kernel-SHA256: {best.candidate_sha256}\n"
    )


def request_trailer(request_id: str) -> str:
    return f"Kernelwright-Request: {request_id}"


def body(
    manifest: ResultBundle,
    request: KernelRequest,
    before: Sequence[KernelResources],
    place: Place,
) -> str:
    """The pull request's description; cut by whole sections where it would be too long."""
    best = best_of(manifest)
    problem = problem_of(request)
    miss = "" if manifest.outcome is Outcome.IMPROVED else nearest_miss(manifest.attempts)
    return clip(
        [
            headline(manifest),
            f"Closes #{request.issue_number}",
            "### Why believe it\n\n"
            + paragraphs(why_believe_it(manifest), tolerance_note(problem)),
            "### Time\n\n" + paragraphs(benchmark_table(best), _times_picture(manifest, place)),
            "### Correctness\n\nThe largest share of an error budget that was used; above 100% "
            "it would have failed.\n\n" + correctness_matrix(best, problem),
            "### Reproduce\n\n" + _reproduce(place),
            "### How it was made\n\n"
            + paragraphs(
                _picture(manifest, place, _SEARCH), _no_win(manifest), cost_table(manifest)
            ),
            fold("What the model was asked", asked_of_the_model(manifest, request, problem)),
            fold("Where it ran", environment_table(manifest)),
            fold("The nearest miss of the search", miss) if miss else "",
            "To change the kernel, request changes in a review or comment "
            "`/regenerate <guidance>`; the loop then starts from this kernel.",
            fold("Resources", resources_table(best.resources, before)),
            fold("Every attempt", attempts_table(manifest)),
            fold("Full verifier report", _report(best)),
        ]
    )


def _no_win(manifest: ResultBundle) -> str:
    """What a round that did not improve says of itself."""
    if manifest.outcome is Outcome.IMPROVED:
        return ""
    if best_of(manifest).performance is None:
        return f"Nothing was timed. What is here is the best that passed: {_best(manifest)}."
    return (
        "**No kernel of this round is significantly faster than every baseline.** What is here is "
        f"its best: {_best(manifest)}."
    )


def _best(manifest: ResultBundle) -> str:
    return f"attempt {manifest.best_attempt} of {len(manifest.attempts)}"


def _times_picture(manifest: ResultBundle, place: Place) -> str:
    """Nothing where nothing was timed: the sentence above says so already."""
    return _picture(manifest, place, _TIMES) if best_of(manifest).performance is not None else ""


def _picture(manifest: ResultBundle, place: Place, name: str) -> str:
    """A committed picture by the commit's own address; nothing where the bundle brought none."""
    if not any(file.path.endswith(f"/{name}") for file in manifest.files):
        return ""
    return f"![{_ALT[name]}]({place.web_url}/raw/{place.sha}/{place.folder}/{name})"


def _reproduce(place: Place) -> str:
    commands = (
        f"python -m runner verify {place.folder}\n"
        f"python -m pytest {place.folder}/test_kernel.py {place.folder}/bench_kernel.py"
    )
    return paragraphs(
        f"From a clone on {code(place.branch, 200)}, with kernelwright installed (`pip install "
        "'.[runner]'` in a checkout of it). "
        "Without a GPU the kernel runs in Triton's interpreter and nothing is timed.",
        f"```console\n{commands}\n```",
    )


def _report(best: Evaluation) -> str:
    """Every comparison, every check, the seconds of each stage, and the verifier's own words."""
    checks = [[code(check.name, 60), code(check.detail, 300)] for check in best.checks[:40]]
    stages = [[code(name, 40), f"{took_s:.2f}"] for name, took_s in list(best.stage_s.items())[:20]]
    return paragraphs(
        correctness_table(best),
        table(["check", "what was seen"], checks),
        table(["stage", "seconds"], stages),
        fence(best.detail, limit=8000) if best.detail.strip() else "",
    )
