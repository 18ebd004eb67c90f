"""The two pictures: well-formed, tame, the same each time, and true to the results."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from runner.charts import draw_search, draw_times
from runner.charts.scale import Axis
from runner.contract import EvaluationStatus, Outcome, Workload
from runner.picture_check import picture_fault
from runner.results import AttemptRow
from tests.fakes.measured import DIGEST, baseline, measured, timing
from tests.runner.test_results import MACHINE, results

HOSTILE = "</text><script>alert(1)</script>&\"'\x07 ✓" + "x" * 100


def attempt(index: int, status: str = "PASSED", **changes) -> AttemptRow:
    fields = {
        "index": index, "phase": "repair", "status": status, "stage": "x", "summary": "x",
        "candidate_sha256": DIGEST, "kept": status == "PASSED", "tokens": {}, "model_s": 0.0,
        "verifier_s": 1.0, "at_s": 40.0 * index,
        "ratios": {"compile": 1.0 + index / 10} if status == "PASSED" else {},
    }  # fmt: skip
    return AttemptRow(**{**fields, **changes})


def words(picture: str) -> list[str]:
    root = ElementTree.fromstring(picture)
    return [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]


def many(count: int, **sizes):
    """A verdict on `count` workloads of growing size."""
    return measured(
        *(
            timing(
                Workload(axes={"M": 1 << n, "N": 4096, **sizes}),
                median_ms=0.01 * 2**n,
                moved_bytes=1 << (20 + n),
                baselines=(baseline("eager", 0.02 * 2**n, spread=0.001), baseline("compile", 9)),
            )
            for n in range(count)
        )
    )


UNTIMED = measured().model_copy(update={"performance": None, "device": "cpu"})
CASES = {
    "usual": results(),
    "every status": results(
        attempts=tuple(attempt(n + 1, status) for n, status in enumerate(EvaluationStatus))
    ),
    "no gpu": results(
        evaluation=UNTIMED,
        outcome=Outcome.CORRECT,
        environment=MACHINE.model_copy(update={"gpu": None}),
        attempts=(attempt(1, "REJECTED"), attempt(2, ratios={})),
    ),
    "nothing passed": results(
        evaluation=None, best_attempt=None, outcome=Outcome.UNSOLVED,
        attempts=(attempt(1, "CHEATED"),),
    ),
    "no attempt": results(
        evaluation=None, best_attempt=None, outcome=Outcome.UNSOLVED, attempts=()
    ),
    "older results": results(attempts=(attempt(1, at_s=None), attempt(2, at_s=None))),
    "no baseline": results(evaluation=measured(timing(baselines=())), attempts=(attempt(1),)),
    "one workload": results(evaluation=many(1)),
    "thirty workloads": results(evaluation=many(30)),
    "six axes": results(evaluation=many(3, A=1, B=2, C=3, D=4)),
    "hostile names": results(
        evaluation=measured(timing(baselines=(baseline(HOSTILE, 2.0), baseline("eager", 2.0)))),
        environment=MACHINE.model_copy(update={"gpu": HOSTILE}),
        attempts=(attempt(1, ratios={HOSTILE: 2.0}),),
    ),
    "five hundred attempts": results(
        attempts=tuple(attempt(n, kept=False) for n in range(1, 501))
    ),
}  # fmt: skip


@pytest.mark.parametrize("draw", [draw_search, draw_times])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_picture_is_one_that_the_bot_takes(draw, case) -> None:
    picture = draw(case)
    assert picture_fault(picture.encode()) is None
    assert draw(case) == picture
    assert "nan" not in picture
    assert "inf" not in re.sub(r"<title>.*?</title>", "", picture)
    assert "prefers-color-scheme:dark" in picture
    for x in re.findall(r' (?:x|cx|x1|x2)="([-\d.]+)"', picture):
        assert 0 <= float(x) <= 760
    height = float(re.search(r'height="([\d.]+)"', picture)[1])
    for y in re.findall(r' (?:y|cy|y1|y2)="([-\d.]+)"', picture):
        assert 0 <= float(y) <= height


def test_the_search_shows_every_attempt_and_the_final_ratio() -> None:
    case = CASES["every status"]
    picture = draw_search(case)
    assert picture.count("<circle") == len(case.attempts)
    shown = words(picture)
    assert "final 1.50×" in shown  # noqa: RUF001 - the sign for 'times'
    assert "cheated" in shown
    assert "as fast as torch.compile" in shown
    assert "minutes since the start" in shown


def test_without_a_gpu_both_say_so() -> None:
    case = CASES["no gpu"]
    assert any("not measured: no GPU" in text for text in words(draw_search(case)))
    assert "Not measured: no GPU." in words(draw_times(case))
    assert "ms" not in words(draw_times(case))


def test_times_name_every_series_and_workload() -> None:
    shown = words(draw_times(results()))
    assert "this kernel  1 ms" in shown
    assert "torch.compile  1.5 ms" in shown
    assert "PyTorch eager  2 ms" in shown
    assert "N=65536" in shown


def test_a_wide_spread_of_times_is_logarithmic_and_a_narrow_one_starts_at_zero() -> None:
    assert any("logarithmic" in text for text in words(draw_times(results(evaluation=many(8)))))
    narrow = words(draw_times(results()))
    assert any("from zero" in text for text in narrow)
    assert "0" in narrow


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.97, 1.03), (0, 1e-6), (3, 3000), (0, 7.2e4)])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_ticks_are_few_round_and_within_the_axis(low, high, logarithmic) -> None:
    low = max(low, high / 1e5) if logarithmic else low
    axis = Axis(low=low, high=high, start=0, end=100, logarithmic=logarithmic)
    ticks = axis.ticks()
    assert len(ticks) <= 16
    assert all(-1e-6 <= axis.place(tick) <= 100 + 1e-6 for tick in ticks)


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        (b"<script>alert(1)</script>", "element 'script'"),
        (b"<foreignObject/>", "element 'foreignObject'"),
        (b'<image href="https://evil.example/x.png"/>', "element 'image'"),
        (b'<a href="https://evil.example"><text>x</text></a>', "element 'a'"),
        (b'<rect onload="alert(1)"/>', "attribute 'onload'"),
        (b'<text style="x">x</text>', "attribute 'style'"),
        (b"<style>@import 'https://evil.example'</style>", "reaches out"),
        (b"<style>rect{fill:URL(https://evil.example)}</style>", "reaches out"),
        (b"<style>rect{fill:u\\72l(x)}</style>", "reaches out"),
        (b"<![CDATA[x]]>", "declaration"),
        (b"<?xml-stylesheet href='x'?>", "instruction"),
        (b"<text>", "well-formed"),
        (b"\xff", "well-formed"),
        (b'<script xmlns="http://www.w3.org/1999/xhtml"/>', "element"),
        (b" " * (2 << 20), "at most"),
    ],
)
def test_a_picture_that_could_do_something_is_refused(inside: bytes, reason: str) -> None:
    data = b'<svg xmlns="http://www.w3.org/2000/svg">' + inside + b"</svg>"
    assert reason in (picture_fault(data) or "")


def test_entities_cannot_blow_up_a_picture() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>'
    assert picture_fault(bomb) == "has a declaration or an instruction"
