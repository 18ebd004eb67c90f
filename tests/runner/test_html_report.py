"""The page on a verdict: what it says, that it is well-formed, and that nothing breaks out."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from runner.check_notes import what_it_catches
from runner.contract import Check, Correctness, Evaluation, Workload
from runner.html_parts import MAX_SOURCE_CHARS
from runner.html_report import Page, render_page
from runner.verdict_limits import what_was_not_checked
from runner.verifier.inputs import DISTRIBUTIONS
from tests.fakes.measured import baseline, compared, compiled, measured, performance, timing

VOID = {"meta", "br", "hr", "img", "input", "link"}
WILD = "</pre></td></table><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;\x00\u202e"
SOURCE = "import triton\n\n\ndef double_it(x):\n    return x + x\n"
WHEN = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
CHECKS = (
    Check(name="guard bands", detail="untouched after 24 calls"),
    Check(name="two clocks", detail="differ by 0.4 % at most"),
    Check(name="moon phase", detail="waning"),
    Check(name="compute-sanitizer", detail="not installed: not run"),
)


class Reader(HTMLParser):
    """Refuses what is not closed in order; keeps tags, text by section, and outside references."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.ids: list[str] = []
        self.sections: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "action", "data"):
                self.outside.append(value)
            if name == "id":
                self.ids.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "section" in self.open:
            place = self.ids[-1]
            self.sections[place] = self.sections.get(place, "") + data


@pytest.fixture
def page_of(double_it, cpu_environment):
    """Render a page and read it: `page_of(evaluation, …)`."""

    def build(evaluation, *, problem=double_it, environment=cpu_environment, **fields):
        facts = {"source": SOURCE, "quick": False, "made_at": WHEN, **fields}
        page = Page(problem=problem, evaluation=evaluation, environment=environment, **facts)
        text = render_page(page)
        return text, Reader(text)

    return build


def failed(**fields) -> Evaluation:
    wrong = compared(
        Workload(axes={"N": 77}),
        wrong_elements=15,
        max_error=0.5,
        expected=1.25,
        found=0.75,
    )
    usual = {
        "status": "INCORRECT_NUMERICAL",
        "candidate_sha256": "0" * 64,
        "device": "cpu",
        "stage": "sweep",
        "summary": "y: 15 of 77 elements wrong",
        "detail": "only columns >= 64",
        "correctness": Correctness(cases=(wrong,)),
    }
    return Evaluation(**{**usual, **fields})


PASSED_ON_CPU = {"device": "cpu", "performance": None, "stage": "integrity"}


def test_a_measured_verdict_says_why_we_believe_it(page_of):
    rows = (baseline("eager", 2.0), baseline("compile", 1.0), baseline("sdpa", 0.5))
    held_out = compared(Workload(axes={"N": 12345}))
    test = compared(Workload(axes={"N": 77}), distribution="large")
    evaluation = measured(
        timing(baselines=rows),
        checks=CHECKS,
        correctness=Correctness(cases=(test, held_out)),
        resources=(compiled(registers=255, spill_bytes=8),),
    )
    text, read = page_of(evaluation)
    assert "<title>double_it: PASSED</title>" in text
    assert "why we believe this kernel" in text
    assert "all of 2 comparisons over 2 workloads, 1 of them drawn by the judge" in text
    for place, words in (
        ("correctness", "N=12345 held out"),
        ("correctness", "2 times that error, plus rounding"),
        ("correctness", "normal, sixteen times as large"),
        ("checks", "untouched after 24 calls"),
        ("checks", "A missing or wrong mask"),
        ("speed", "2.000 [1.900, 2.100] faster"),
        ("speed", "1.000 [0.900, 1.100] no significant difference"),
        ("speed", "0.500 [0.400, 0.600] slower"),
        ("speed", "a copy moves 4,000 GB/s"),
        ("speed", "50% of the roofline"),
        ("speed", "8 bytes a thread are spilled"),
        ("resources", "registers"),
        ("limits", "compute-sanitizer: not installed: not run."),
        ("limits", "compute-sanitizer did not look"),
        ("kernel", "return x + x"),
        ("problem", "return x * 2"),
        ("machine", "bubblewrap"),
    ):
        assert words in read.sections[place], (place, words)
    assert "failure" not in read.sections
    assert "not installed" not in read.sections["checks"]


def test_a_failing_verdict_says_what_where_and_what_to_do(page_of):
    text, read = page_of(failed(detail="kernel.py:5: look here"))
    assert "why this kernel did not pass" in text
    for words in (
        "15 of 77 elements wrong",
        "The largest error is at y[3]: expected 1.25, found 0.75.",
        "a partial tile points to a mask",
    ):
        assert words in read.sections["failure"]
    assert "15 wrong of 77" in read.sections["correctness"]
    assert '<tr class="bad">' in text
    assert '<span class="line marked">    return x + x</span>' in text
    assert "Everything after the stage sweep" in read.sections["limits"]
    assert "speed" not in read.sections


def test_a_verdict_before_any_code_ran_has_a_page_too(page_of):
    evaluation = failed(status="REJECTED", stage="screen", correctness=None, detail="")
    _, read = page_of(evaluation, environment=None, source="")
    assert "refused before it was compiled" in read.sections["failure"]
    assert "No code ran" in read.sections["machine"]
    assert set(read.sections) == {"failure", "limits", "kernel", "problem", "machine"}


@pytest.mark.parametrize(
    ("changed", "quick", "words"),
    [
        (PASSED_ON_CPU, False, "Speed: not measured: no GPU."),
        (PASSED_ON_CPU, False, "Races between programs"),
        (PASSED_ON_CPU, True, "this was a quick verdict"),
        ({"performance": None}, False, "Speed: not measured: timing was not part"),
        ({"performance": performance(not_timed={"N=65536": "too large"})}, False, "too large"),
        ({"performance": performance(timing(Workload(axes={"N": 8})))}, False, "time of N=65536"),
    ],
)
def test_what_was_not_checked_is_said(page_of, changed, quick, words):
    _, read = page_of(measured(**changed), quick=quick)
    assert words in read.sections["limits"]


def test_checks_that_were_made_are_no_limit(double_it, cpu_environment):
    clean = tuple(
        Check(name=name, detail="compute-sanitizer found nothing")
        for name in ("memcheck", "racecheck")
    )
    limits = what_was_not_checked(double_it, measured(checks=clean), cpu_environment, quick=False)
    assert len(limits) == 1
    bare = cpu_environment.model_copy(update={"sandbox": "none"})
    limits = what_was_not_checked(double_it, measured(checks=clean), bare, quick=False)
    assert any("without a sandbox" in limit for limit in limits)


def test_hostile_text_stays_text(page_of, double_it):
    problem = dataclasses.replace(double_it, summary=WILD, reference_text=WILD, toml_text=WILD)
    evaluations = (
        measured(
            summary=WILD,
            resources=(compiled(kernel=WILD),),
            checks=(Check(name=WILD, detail=WILD),),
            correctness=Correctness(cases=(compared(output=WILD, distribution=WILD),)),
            performance=performance(not_timed={WILD: WILD}),
        ),
        failed(summary=WILD, detail=WILD, stage=WILD),
    )
    for evaluation in evaluations:
        text, read = page_of(evaluation, problem=problem, source=WILD)
        assert "script" not in read.tags
        assert "img" not in read.tags
        assert "alert(1)" in text
        assert not re.search(r"[\x00\u202e]", text)


def test_the_page_needs_nothing_from_elsewhere(page_of):
    text, read = page_of(measured(checks=CHECKS))
    assert read.outside == []
    assert not re.search(r"url\(|@import|https?:", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert len(read.ids) == len(set(read.ids))


def test_bars_and_intervals_stay_within_their_frame(page_of):
    rows = (
        baseline("a", 1000.0),
        baseline("b", 0.101, spread=0.1),
        baseline("c", 1.0, spread=0.0),
    )
    over = compared(max_error=5.0, wrong_elements=1)
    broken = compared(max_error=None, rms_error=None, wrong_elements=1)
    unbudgeted = compared(max_budget=0.0, rms_budget=0.0, max_error=0.0, rms_error=0.0)
    pages = [
        page_of(measured(timing(baselines=rows, roofline_share=1.3)))[0],
        page_of(failed(correctness=Correctness(cases=(over, broken, unbudgeted))))[0],
        page_of(measured(timing(baselines=(baseline("only", 1.0, spread=0.0),))))[0],
    ]
    for text in pages:
        shares = [float(share) for share in re.findall(r'="(-?[\d.]+)%"', text)]
        assert shares
        assert all(0 <= share <= 100 for share in shares)
        assert "nan" not in text.lower().replace("with nan", "")


def test_many_comparisons_open_with_the_worst_of_each_workload(page_of):
    cases = [
        compared(Workload(axes={"N": size}), distribution=name, max_error=error)
        for size in (77, 1000)
        for name, error in (("normal", 1e-7), ("large", 9e-7), *[("uniform", 1e-8)] * 5)
    ]
    text, read = page_of(measured(correctness=Correctness(cases=tuple(cases))))
    assert "All 14 comparisons, in the order made" in text
    before = read.sections["correctness"].split("All 14")[0]
    assert before.count("90%") == 2
    assert "uniform" not in before


def test_a_very_long_source_is_cut_and_says_so(page_of):
    _, read = page_of(measured(), source="x" * (MAX_SOURCE_CHARS + 5))
    assert "5 further characters are left out" in read.sections["kernel"]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_every_kind_of_input_is_explained(page_of, name):
    evaluation = measured(correctness=Correctness(cases=(compared(distribution=name),)))
    _, read = page_of(evaluation)
    explained = read.sections["correctness"].split("what they are")[1].removeprefix(f"{name}1")
    assert len(explained) > 10


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("guard bands", "mask"),
        ("own kernels", "Fallbacks to PyTorch"),
        ("two clocks", "patched timer"),
        ("timed outputs", "cached by address"),
        ("physics", "no GPU can reach"),
        ("memcheck", "Out-of-bounds"),
        ("racecheck", "races"),
        ("held-out workloads", "hard-coded shapes"),
        ("input distributions", "one kind of numbers"),
        ("inputs unchanged", "edited in place"),
        ("secret inputs", "nobody but the judge"),
        ("run to run", "Races"),
    ],
)
def test_a_check_says_what_it_would_have_caught(name, words):
    assert words in what_it_catches(name)


def test_nothing_is_claimed_of_a_check_that_is_not_known():
    assert what_it_catches("moon phase") is None
