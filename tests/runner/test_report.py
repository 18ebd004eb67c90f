"""The bundle's files: what they say, that they are valid, and that nothing in them breaks out."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from runner.bundle import MAX_COMPRESSION_RATIO, pack_bundle, write_bundle
from runner.contract import (
    Attempt,
    Candidate,
    Cost,
    Outcome,
    Performance,
    TokenUsage,
    Workload,
)
from runner.folder import render_template
from runner.kernel_facts import without_facts
from runner.loop_io import LoopResult
from runner.model.transcript import TranscriptEntry
from runner.prices import Price
from runner.readme import render_readme, render_summary
from runner.report import Run, outcome_of, render_transcript
from runner.report import build_bundle as build
from runner.task import Task
from runner.timing_text import ABSENT
from runner.tried import Tried
from tests.fakes.measured import baseline, measured, timing

HOSTILE = "</table><script>alert(1)</script> | `x` **b** [l](http://e.example)\n# title\n```\nout"


@pytest.fixture
def run_of(fakes, double_it, cpu_environment):
    """A finished run with attempts of the given statuses; the last PASSED one is the best."""

    def build(*statuses, tokens=None, summary=None, problem=double_it, parent=None):
        tried, best = [], None
        for index, status in enumerate(statuses, start=1):
            candidate = Candidate.of(f"# {index}\ndef double_it(x):\n    return x\n", index)
            evaluation = fakes.evaluation(status, candidate, spills=4, detail="long " * 1000)
            if summary is not None:
                evaluation = evaluation.model_copy(update={"summary": summary})
            attempt = Attempt(
                index=index,
                phase="explore",
                evaluation=evaluation,
                tokens=tokens[index - 1] if tokens else TokenUsage(),
                model_s=1.5,
                verifier_s=2.0,
                kept=status == "PASSED",
            )
            tried.append(Tried(attempt=attempt, candidate=candidate))
            best = tried[-1] if status == "PASSED" else best
        parent_evaluation = None
        if parent is not None:
            parent_evaluation = fakes.evaluation("PASSED", parent, spills=16)
        return Run(
            task=Task(problem=problem, parent=parent),
            result=LoopResult(
                tried=tuple(tried),
                best=best,
                parent=parent_evaluation,
                stopped_because="budget spent",
                models=("handwritten",),
            ),
            environment=cpu_environment,
            transcript=(
                TranscriptEntry(generation=0, attempt=1, model="handwritten", content="x"),
            ),
            wall_s=12.5,
        )

    return build


def build_bundle(run):
    """Manifest and files of a run."""
    built = build(run)
    return built.manifest, built.contents


def file_of(contents, name: str) -> str:
    return contents[f"problems/double_it/{name}"].decode()


def test_solved_run_has_every_file_and_a_manifest_that_describes_them(run_of, tmp_path):
    manifest, contents = build_bundle(run_of("COMPILE_ERROR", "PASSED"))
    assert manifest.outcome is Outcome.CORRECT
    assert manifest.best_attempt == 2
    write_bundle(tmp_path / "bundle", manifest, contents)
    assert (tmp_path / "bundle" / "manifest.json").exists()
    assert without_facts(file_of(contents, "kernel.py")).startswith("# 2\n")


def test_manifest_keeps_attempts_short_and_the_best_whole(run_of):
    manifest, _ = build_bundle(run_of("COMPILE_ERROR", "PASSED"))
    assert len(manifest.attempts[0].evaluation.detail) == 2000
    assert len(manifest.best.detail) == 5000


def test_results_carry_the_parents_figures_for_before_and_after(run_of):
    parent = Candidate.of("# parent\n", 0)
    manifest, contents = build_bundle(run_of("PASSED", parent=parent))
    results = json.loads(file_of(contents, "results.json"))
    assert manifest.parent_sha256 == parent.sha256
    assert results["parent"]["resources"][0]["spill_bytes"] == 16
    assert results["evaluation"]["resources"][0]["spill_bytes"] == 4
    assert results["environment"]["sandbox"] == "bubblewrap"
    assert results["cost"]["wall_s"] == 12.5


@pytest.mark.parametrize(
    ("counts", "expected"), [([10, 20], 30), ([10, None], None), ([None, None], None)]
)
def test_tokens_are_summed_only_when_every_answer_was_counted(run_of, counts, expected):
    tokens = [TokenUsage(prompt_tokens=count, completion_tokens=count) for count in counts]
    manifest, _ = build_bundle(run_of("REJECTED", "PASSED", tokens=tokens))
    cost: Cost = manifest.cost
    assert (cost.prompt_tokens, cost.completion_tokens) == (expected, expected)
    assert (cost.model_s, cost.verifier_s, cost.usd) == (3.0, 4.0, None)


@pytest.mark.parametrize(
    ("model", "usd", "shown"), [("handwritten", 3.5, "US$ 3.50"), ("another", None, None)]
)
def test_a_run_has_a_price_where_its_models_have_one(run_of, model, usd, shown):
    million = TokenUsage(prompt_tokens=1_000_000, completion_tokens=1_000_000)
    rows = [
        TranscriptEntry(
            generation=number, attempt=1, model="handwritten", content="", usage=million
        )
        for number in (0, 1)  # another generation's answers were paid for by another run
    ]
    prices = {model: Price(input_usd=1.0, output_usd=2.5)}
    run = replace(run_of("PASSED"), transcript=tuple(rows), prices=prices)
    manifest, contents = build_bundle(run)
    assert manifest.cost.usd == usd
    assert ("US$" in file_of(contents, "README.md")) == (shown is not None)
    assert shown is None or shown in file_of(contents, "README.md")


def test_readme_says_what_was_checked_and_that_nothing_was_timed(run_of):
    _, contents = build_bundle(run_of("COMPILE_ERROR", "PASSED"))
    readme = file_of(contents, "README.md")
    for words in (
        "# `double_it`",
        "**CORRECT**: correct, not timed. Speed: not measured: no GPU.",
        "| `N=77` | 10% |",
        "| `N=77` | normal | `y` | 77 | 1e-07 of 1e-06 | 1e-08 of 1e-07 |",
        "sm\\_90 | 32 | 4 B | 0 B | 4 | 3 |",
        "pytest problems/double_it/test_kernel.py",
        "`handwritten`",
        "tokens not counted",
    ):
        assert words in readme


def test_readme_shows_times_where_a_gpu_measured_them(run_of, double_it):
    rows = (baseline("eager", 2.0), baseline("compile", 1.0))
    built = build(with_best(run_of("PASSED"), measured(timing(baselines=rows))))
    readme = render_readme(double_it, built.results)
    for words in (
        "**CORRECT**: correct, no significant win (1.00",
        "| `N=65536` | 1 ms | `eager` | 2 ms | 2.000 \\[1.900, 2.100\\] | faster |",
        "1.000 \\[0.900, 1.100\\] | no significant difference |",
        f"| `N=65536` | 2,000 | {ABSENT} | 50% | memory | 0.4 ms |",
        "Medians of 100 calls for each workload, in 1 fresh process.",
        "a copy moves 4,000 GB/s, float16 matrix products at 700 TFLOP/s",
    ):
        assert words in readme
    assert "not measured" not in readme


def test_results_keep_the_whole_measurement(run_of, double_it):
    best = measured()
    run = with_best(run_of("PASSED"), best)
    manifest, contents = build_bundle(run)
    results = json.loads(file_of(contents, "results.json"))
    assert Performance.model_validate(results["evaluation"]["performance"]) == best.performance
    assert manifest.best == best


def with_best(run: Run, evaluation) -> Run:
    """The run with another verdict on its best attempt."""
    tried = run.result.best
    attempt = tried.attempt.model_copy(update={"evaluation": evaluation})
    best = dataclasses.replace(tried, attempt=attempt)
    return dataclasses.replace(
        run, result=dataclasses.replace(run.result, best=best, tried=(best,))
    )


FAST = baseline("eager", 2.0)
EQUAL = baseline("eager", 1.02)
AT_ONE = baseline("eager", 1.1)  # the interval begins at 1
OTHER = Workload(axes={"N": 8})


@pytest.mark.parametrize(
    ("timings", "outcome"),
    [
        pytest.param([timing(baselines=(FAST,))], "IMPROVED", id="faster than its baseline"),
        pytest.param([timing(baselines=(EQUAL,))], "CORRECT", id="no significant difference"),
        pytest.param([timing(baselines=(AT_ONE,))], "CORRECT", id="an interval from 1 on"),
        pytest.param(
            [timing(baselines=(FAST, baseline("sdpa", 0.9)))],
            "CORRECT",
            id="one baseline is faster",
        ),
        pytest.param([timing(baselines=())], "CORRECT", id="no baseline was timed"),
        pytest.param(
            [timing(baselines=(baseline("compile", 2.0),))], "CORRECT", id="another baseline only"
        ),
        pytest.param([timing(OTHER, baselines=(FAST,))], "CORRECT", id="a benchmark was not timed"),
        pytest.param(
            [timing(baselines=(FAST,)), timing(OTHER, baselines=(EQUAL,))],
            "IMPROVED",
            id="a workload that is no benchmark does not count",
        ),
    ],
)
def test_improved_means_significantly_faster_than_everything_everywhere(
    run_of, double_it, timings, outcome
):
    manifest, contents = build_bundle(with_best(run_of("PASSED"), measured(*timings)))
    assert manifest.outcome == outcome
    assert json.loads(file_of(contents, "results.json"))["outcome"] == outcome
    assert f"**{outcome}**" in file_of(contents, "README.md")


def test_without_named_baselines_nothing_is_improved(double_it):
    assert outcome_of(double_it, measured()) is Outcome.IMPROVED
    alone = dataclasses.replace(double_it, baselines=())
    assert outcome_of(alone, measured()) is Outcome.CORRECT
    assert outcome_of(double_it, None) is Outcome.UNSOLVED


def structure(markdown: str) -> list[str]:
    """The block structure of a text, without its words."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    kinds = [token.type + token.tag for token in tokens if token.type != "text"]
    inline = {c.type for t in tokens for c in t.children or ()}
    return [*kinds, *sorted(inline)]


def test_hostile_text_changes_nothing_in_the_shape_of_what_is_rendered(run_of, double_it):
    tame, wild = run_of("PASSED", summary="x"), run_of("PASSED", summary=HOSTILE)
    wild_problem = dataclasses.replace(double_it, summary=HOSTILE)
    for render in (render_readme, render_summary):

        def shape(run, problem, render=render):
            return structure(render(problem, build(run).results))

        inline = {"text", "code_inline", "softbreak", "strong_open", "strong_close", "text_special"}
        assert set(shape(wild, wild_problem)) - set(shape(tame, double_it)) <= inline
        blocks = [kind for kind in shape(tame, double_it) if kind not in inline]
        assert [kind for kind in shape(wild, wild_problem) if kind not in inline] == blocks


def test_unsolved_run_has_neither_kernel_nor_tests(run_of):
    manifest, contents = build_bundle(run_of("CHEATED"))
    assert manifest.outcome is Outcome.UNSOLVED
    assert {path.rsplit("/", 1)[1] for path in contents} == {
        "problem.toml",
        "reference.py",
        "results.json",
        "transcript.jsonl",
    }


def test_summary_of_a_long_run_stays_below_githubs_limit(run_of, double_it):
    results = build(run_of(*["CHEATED"] * 900, summary="x" * 5000)).results
    summary = render_summary(double_it, results)
    assert len(summary.encode()) < 1 << 20
    assert "700 more in results.json" in summary


def test_a_baseline_file_travels_with_the_bundle(run_of, double_it):
    problem = dataclasses.replace(double_it, baseline_text="def b(x): ...\n")
    _, contents = build_bundle(run_of("PASSED", problem=problem))
    assert file_of(contents, "baseline.py") == "def b(x): ...\n"


def entry_of(reasoning: str, content: str, attempt: int = 1) -> TranscriptEntry:
    return TranscriptEntry(
        generation=0, attempt=attempt, model="m", reasoning=reasoning, content=content
    )


def test_transcript_is_whole_where_it_fits():
    rows = [entry_of("thinking", "answer"), entry_of("more", "ünicode ✓", 2)]
    lines = render_transcript(rows).splitlines()
    assert [TranscriptEntry.model_validate_json(line) for line in lines] == rows


@pytest.mark.parametrize(
    ("reasoning", "content", "kept"),
    [
        pytest.param("wait, " * 200_000, "answer", "answer", id="a model that thinks in circles"),
        pytest.param("", "no " * 400_000, "no " * 1333 + "n", id="an answer in circles"),
    ],
)
def test_transcript_of_a_model_that_loops_never_looks_like_a_bomb(
    run_of, tmp_path, reasoning, content, kept
):
    run = dataclasses.replace(run_of("PASSED"), transcript=(entry_of(reasoning, content),))
    manifest, contents = build_bundle(run)
    row = TranscriptEntry.model_validate_json(file_of(contents, "transcript.jsonl"))
    assert row.content == kept
    assert "left out" in row.reasoning
    write_bundle(tmp_path / "b", manifest, contents)
    with zipfile.ZipFile(io.BytesIO(pack_bundle(tmp_path / "b"))) as archive:
        for member in archive.infolist():
            assert member.file_size <= MAX_COMPRESSION_RATIO * member.compress_size


@pytest.mark.parametrize("name", ["test_kernel.py", "bench_kernel.py"])
def test_templates_render_to_clean_python(double_it, tmp_path, name):
    source = render_template(name, double_it)
    ast.parse(source)
    assert "$" not in source
    path = tmp_path / name
    path.write_text(source)
    ruff = [sys.executable, "-m", "ruff"]
    first_party = 'lint.isort.known-first-party=["runner"]'
    rules = ["--select=E,F,W,I,B,UP,PT,RUF", "--config", first_party]
    for command in (["check", *rules], ["format", "--check"]):
        arguments = [*ruff, *command, "--line-length=100", str(path)]
        checked = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout
