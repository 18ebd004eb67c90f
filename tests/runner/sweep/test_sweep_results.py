"""What a sweep's journals are said to show: states, times, shares, pictures and the page."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from runner.errors import RunnerError
from runner.picture_check import picture_fault
from runner.sweep.live import JournalTail, TableLive, ended_words
from runner.sweep.made import make_files
from runner.sweep.pictures import draw_solved, draw_speed_ups
from runner.sweep.plan import run_name
from runner.sweep.results import ProblemRow, SweepResults
from tests.fakes.sweep_journals import Told, tell

HOSTILE = '</td><script>alert(1)</script>&"\x07 ' + "x" * 100


def both(eager: float, compiled: float) -> dict[str, float]:
    return {"eager": eager, "compile": compiled}


def solved(key: str, at_s: float, **fields: Any) -> Told:
    usual: dict[str, Any] = {"passed_at_s": (at_s,), "finals": (True,), "ratios": both(2.0, 1.2)}
    return Told(key=key, **{**usual, **fields})


def results(out: Path, *rows: Told) -> SweepResults:
    return make_files(*tell(out / "out", *rows))


def row_of(out: Path, told: Told) -> ProblemRow:
    return results(out, told).problems[0]


def test_each_level_has_a_curve_and_all_of_them_a_row(tmp_path: Path) -> None:
    found = results(
        tmp_path,
        solved("1/1", 60.0, level=1),
        solved("1/2", 30.0, level=1),
        Told(key="1/3", level=1),
        solved("2/1", 120.0, level=2),
    )
    assert [(g.name, g.problems, g.solved) for g in found.groups] == [
        ("level 1", 3, 2),
        ("level 2", 1, 1),
        ("all levels", 4, 3),
    ]
    assert [(p.at_s, p.solved) for p in found.groups[0].curve] == [(30.0, 1), (60.0, 2)]
    picture = draw_solved(found)
    assert picture.count("<polyline") == 2
    assert "level 1  2/3" in picture
    assert "all levels" not in picture
    assert ">1/3</text>" in draw_speed_ups(found)


@pytest.mark.parametrize(
    ("told", "state", "at_s"),
    [
        (Told(key="a"), "unsolved", None),
        (Told(key="a", failure="the reference failed"), "failed", None),
        (Told(key="a", passed_at_s=(5.0,), ended=False), "unfinished", None),
        # Passed in the loop, and no final verdict: the machine failed before there was one.
        (Told(key="a", passed_at_s=(5.0,)), "unsolved", None),
        (Told(key="a", passed_at_s=(5.0, 9.0), finals=(False, False)), "unsolved", None),
        (solved("a", 5.0), "solved", 5.0),
        (Told(key="a", passed_at_s=(5.0, 9.0), finals=(True,)), "solved", 5.0),
        # The later one was refuted, and the earlier one stands.
        (Told(key="a", passed_at_s=(5.0, 9.0), finals=(False, True)), "solved", 5.0),
    ],
    ids=[
        "nothing passed",
        "not judged",
        "interrupted",
        "no final verdict",
        "refuted",
        "solved",
        "first of two",
        "next best",
    ],
)
def test_solved_is_what_the_final_verdict_confirms(
    tmp_path: Path, told: Told, state: str, at_s: float | None
) -> None:
    row = row_of(tmp_path, told)
    assert (row.state, row.solved_at_s) == (state, at_s)
    assert (tmp_path / "out" / "kernels" / "a").exists() == (state == "solved")


def test_a_kernel_that_was_refuted_does_not_set_the_time(tmp_path: Path) -> None:
    # Three passed; the final verdict refutes the last, and confirms the second.
    told = Told(key="a", passed_at_s=(5.0, 9.0, 12.0), finals=(False, True))
    assert row_of(tmp_path, told).solved_at_s == 5.0
    only = Told(key="b", passed_at_s=(12.0,), finals=(False,))
    assert results(tmp_path / "b", only).groups[0].curve == ()


def test_a_threshold_is_exceeded_and_not_met(tmp_path: Path) -> None:
    found = results(
        tmp_path, solved("a", 1.0, ratios=both(2.0, 1.0)), solved("b", 1.0, ratios=both(2.1, 1.01))
    )
    counts = {(f.baseline, f.p): f.count for f in found.groups[0].fast}
    assert counts["eager", 2.0] == 1
    assert counts["eager", 1.5] == 2
    assert counts["compile", 1.0] == 1
    assert counts["compile", 0.0] == 2


def test_what_was_not_timed_is_not_measured_and_never_fast(tmp_path: Path) -> None:
    nothing = results(tmp_path / "cpu", solved("a", 1.0, ratios=None, gpu=None))
    shares = {(f.baseline, f.p): f.share for f in nothing.groups[0].fast}
    assert shares["compile", 0.0] == 1.0
    assert {share for (_, p), share in shares.items() if p > 0} == {None}
    page = (tmp_path / "cpu" / "out" / "report.html").read_text()
    assert "not measured" in page
    assert "Not measured: no GPU" in draw_speed_ups(nothing)
    # One of two was timed against torch.compile: the other counts as no faster.
    rows = (solved("a", 1.0), solved("b", 1.0, ratios={"eager": 3.0}))
    some = results(tmp_path / "some", *rows)
    shares = {(f.baseline, f.p): f.share for f in some.groups[0].fast}
    assert (shares["compile", 1.0], shares["eager", 1.0]) == (0.5, 1.0)
    assert some.groups[0].timed == {"eager": 2, "compile": 1}


def test_kernels_of_different_gpus_are_said_to_be(tmp_path: Path) -> None:
    results(tmp_path, solved("a", 1.0), solved("b", 1.0, gpu="NVIDIA H100"))
    assert (
        "GPUs of different kinds: NVIDIA H100, NVIDIA H200"
        in (tmp_path / "out" / "report.html").read_text()
    )


def test_a_journal_that_contradicts_its_answers_is_refused(tmp_path: Path) -> None:
    folder, plan = tell(tmp_path / "out", solved("a", 1.0))
    answers = folder.transcript("a")
    answers.write_text(answers.read_text().replace("# 1", "# 2"))
    with pytest.raises(RunnerError, match="the final verdict is not about the kernel there"):
        make_files(folder, plan)


def test_pictures_are_tame_and_the_page_escapes_what_a_suite_says(tmp_path: Path) -> None:
    rows = [solved(f"1/{n}", 7.0 * n, level=1, title=HOSTILE) for n in range(1, 41)]
    rows += [Told(key=f"2/{n}", level=2, title=HOSTILE, failure=HOSTILE) for n in range(1, 9)]
    found = results(tmp_path, *rows)
    for picture in (draw_solved(found), draw_speed_ups(found)):
        assert picture_fault(picture.encode()) is None
        words = [node.text or "" for node in ElementTree.fromstring(picture).iter()]
        assert not any("script" in text and "<" in text for text in words)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_picture_keeps_everything_within_its_frame(tmp_path: Path) -> None:
    rows = [solved(f"{n}/1", 900.0 + n, level=n, ratios=both(500.0, 0.01)) for n in range(1, 9)]
    found = results(tmp_path, *rows)
    for picture in (draw_solved(found), draw_speed_ups(found)):
        root = ElementTree.fromstring(picture)
        width, height = float(root.get("width", 0)), float(root.get("height", 0))
        for node in root.iter():
            for name, limit in (("x", width), ("cx", width), ("y", height), ("cy", height)):
                assert 0 <= float(node.get(name, 0)) <= limit, ElementTree.tostring(node)


def test_names_of_runs_are_plain_and_apart() -> None:
    keys = ["1/19", "119", "relu", "../../x", "a b", "a/b/c", "", "A/b"]
    names = [run_name(key) for key in keys]
    assert len(set(names)) == len(keys)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)
    assert run_name("1/19") == "1-19"


def test_the_live_table_counts_the_whole_lines_of_a_growing_journal(tmp_path: Path) -> None:
    folder, _ = tell(tmp_path / "out", Told(key="a", passed_at_s=(1.0, 2.0), finals=(True,)))
    journal = folder.journal("a")
    whole = journal.read_bytes()
    tail = JournalTail(folder, "a")
    half = whole.find(b"attempt_finished") + 40
    journal.write_bytes(whole[:half])
    tail.read()
    assert tail.attempts == 0
    journal.write_bytes(whole)
    tail.read()
    tail.read()
    assert (tail.attempts, tail.passed) == (2, 2)


def test_a_terminal_has_a_table_of_levels_and_of_what_is_under_way(tmp_path: Path) -> None:
    done = solved("1/1", 65.0, level=1)
    busy = Told(key="1/2", level=1, passed_at_s=(1.0,), ended=False, title="[red]Softmax")
    folder, plan = tell(tmp_path / "out", done, busy)
    rows = make_files(folder, plan).problems
    screen = io.StringIO()
    live = TableLive(plan, folder, Console(file=screen, force_terminal=True, width=120))
    live.began(plan.problems[0], "gpu 0", 1)
    live.ended(rows[0])
    live.began(plan.problems[1], "gpu 1", 2)
    live.close()
    lines = [" ".join(line.split()) for line in _last_table(screen.getvalue())]
    assert "1 2 1 1" in lines  # of level 1: two problems, one ended, one solved
    assert any(line.startswith("1/1 1/1 solved after 1:05") for line in lines)
    # Title as it is, not as markup; one attempt so far, which passed.
    assert any(line.startswith("1/2 [red]Softmax gpu 1 (again)") for line in lines)
    assert any(line.endswith(" 1 1") for line in lines if line.startswith("1/2"))


def _last_table(screen: str) -> list[str]:
    plain = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", screen)
    return plain[plain.rindex("sweep of") :].splitlines()


def test_a_line_says_how_fast_a_solved_problem_is(tmp_path: Path) -> None:
    assert ended_words(row_of(tmp_path, solved("a", 65.0))) == (
        "solved after 1:05, 1 attempt, 2.00× [1.90, 2.10] vs eager, "  # noqa: RUF001 - 'times'
        "1.20× [1.10, 1.30] vs compile"  # noqa: RUF001 - 'times'
    )
