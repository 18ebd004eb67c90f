"""What a kernel is said to be today: never more than somebody judged."""

from __future__ import annotations

import json

import pytest

from runner.contract import Outcome, Workload, sha256_hex
from runner.kernel_facts import with_facts
from runner.site.folder import read_folder
from runner.site.standing import standing_of
from tests.fakes.kernel_folders import (
    GPU,
    SOURCE,
    failed_night,
    idle_night,
    judged,
    night,
    results_of,
    write_folder,
)
from tests.fakes.measured import baseline, performance, timing

N_SMALL = Workload(axes={"N": 8})
OTHER = "def double_it(x):\n    return x\n"
H100 = GPU.model_copy(update={"gpu": "NVIDIA H100"})


@pytest.fixture
def standing(tmp_path, double_it):
    """`standing(nights, edit=…, …)`: of a folder whose kernel was measured, after some nights."""

    def build(*nights, edit=lambda folder: None, evaluation=None, **fields):
        results = results_of(double_it, evaluation or judged(), **fields)
        folder = write_folder(tmp_path / "double_it", double_it, results)
        edit(folder)
        return standing_of(read_folder(folder), nights)

    return build


def test_a_recorded_win_is_one(standing):
    found = standing()
    assert (found.word, found.kind) == ("faster", "good")
    assert found.verified_on is None
    assert found.headline is not None
    assert found.headline.baseline == "eager"
    assert found.roofline == (0.5, 0.5)


def test_no_win_is_said_to_be_none(standing):
    found = standing(outcome=Outcome.CORRECT)
    assert (found.word, found.kind) == ("correct", "even")


def test_a_cpu_verdict_has_no_speed(standing):
    evaluation = judged(device="cpu", performance=None, stage="integrity")
    found = standing(evaluation=evaluation, outcome=Outcome.CORRECT)
    assert found.headline is None
    assert found.roofline is None
    assert "not measured: no GPU" in found.reason


@pytest.mark.parametrize(
    ("edit", "word", "why"),
    [
        (lambda f: (f / "kernel.py").write_text(SOURCE + "#\n"), "edited", "kernel.py changed"),
        (lambda f: (f / "reference.py").write_text(OTHER), "edited", "reference.py changed"),
        (lambda f: (f / "results.json").unlink(), "not measured", "nobody judged"),
        (lambda f: (f / "results.json").write_text("[]"), "unreadable", "refused"),
        (lambda f: (f / "kernel.py").unlink(), "not measured", "no kernel.py"),
    ],
)
def test_what_nobody_judged_is_never_passed(standing, edit, word, why):
    found = standing(edit=edit)
    assert found.word == word
    assert found.kind in ("none", "warn")
    assert why in found.reason
    assert found.headline is None
    assert found.roofline is None


def test_a_run_without_a_kernel_is_unsolved(tmp_path, double_it):
    folder = write_folder(tmp_path / "x", double_it, results_of(double_it), source=None)
    found = standing_of(read_folder(folder), ())
    assert (found.word, found.headline) == ("unsolved", None)


def test_a_night_on_these_files_comes_before_the_record(standing):
    found = standing(night(3, ratio=1.5))
    assert (found.word, str(found.verified_on)) == ("faster", "2026-03-03")
    assert found.headline.baseline == "compile"
    assert found.headline.ratio == pytest.approx(1.5)


def test_a_failing_night_takes_the_speed_away(standing):
    found = standing(night(3), failed_night(4))
    assert (found.word, found.kind) == ("failed", "bad")
    assert "15 of 77" in found.reason
    assert (found.headline, found.roofline) == (None, None)


def test_a_kernel_is_as_good_as_its_worst_leg(standing):
    newest = failed_night(4).model_copy(update={"leg": "newest"})
    found = standing(newest, night(4))
    assert found.word == "failed"
    assert "newest" in found.reason


def test_a_regression_names_the_workload_and_the_loss(standing):
    slow = (
        night(3)
        .timings[0]
        .model_copy(update={"speed": 0.94, "speed_low": 0.93, "speed_high": 0.95})
    )
    found = standing(night(3, status="regressed", timings=(slow,), runs=2))
    assert found.word == "regressed"
    assert "0.940 [0.930, 0.950] times as fast as recorded at N=65536" in found.reason


def test_a_night_that_ran_nothing_is_no_verdict(standing):
    found = standing(idle_night(5))
    assert found.verified_on is None
    assert "Not run in the night of 2026-03-05" in found.reason


def test_a_night_not_run_after_one_that_passed_is_told(tmp_path, double_it):
    folder = write_folder(tmp_path / "d", double_it, results_of(double_it, judged()))
    found = standing_of(read_folder(folder), (night(3), idle_night(4)))
    assert str(found.verified_on) == "2026-03-03"
    assert "2026-03-04 has no verdict" in found.reason


def test_a_night_on_another_kernel_or_spec_says_nothing_of_this_one(standing):
    other = failed_night(3).model_copy(update={"kernel_sha256": "a" * 64})
    older = failed_night(4).model_copy(update={"problem_sha256": "b" * 64})
    found = standing(other, older)
    assert (found.word, found.verified_on) == ("faster", None)


def test_a_night_counts_whether_or_not_the_facts_in_the_docstring_do(tmp_path, double_it):
    delivered = with_facts(SOURCE, "1.31 times as fast")
    results = results_of(double_it, judged())
    folder = read_folder(write_folder(tmp_path / "d", double_it, results, delivered))
    assert folder.edited == ()
    for digest in (sha256_hex(SOURCE), sha256_hex(delivered)):
        found = standing_of(folder, (night(3, kernel_sha256=digest),))
        assert str(found.verified_on) == "2026-03-03"


def test_times_of_another_gpu_never_stand_beside_the_recorded_ones(standing):
    found = standing(
        night(3, ratio=9.0, status="not comparable", environment=H100, notes=("another GPU",))
    )
    assert found.word == "correct"
    assert "another GPU" in found.reason
    assert found.headline.ratio == pytest.approx(2.0)
    assert found.environment.gpu == "NVIDIA H200"


def test_a_baseline_that_failed_on_one_workload_is_no_headline(standing):
    both = timing(baselines=(baseline("compile", 3.0), baseline("eager", 2.0)))
    one = timing(N_SMALL, baselines=(baseline("eager", 8.0),))
    found = standing(evaluation=judged(performance=performance(both, one)))
    assert found.headline.baseline == "eager"
    assert found.headline.ratio == pytest.approx(4.0)
    assert found.headline.workloads == 2


def test_an_older_schema_is_migrated_and_an_unknown_one_named(tmp_path, double_it):
    folder = write_folder(tmp_path / "d", double_it, results_of(double_it, judged()))
    path = folder / "results.json"
    document = json.loads(path.read_text())
    for field in ("repository", "issue_number", "request_id"):
        del document[field]
    path.write_text(json.dumps({**document, "schema_version": 1}))
    assert standing_of(read_folder(folder), ()).word == "faster"
    path.write_text(json.dumps({**document, "schema_version": 99}))
    read = read_folder(folder)
    assert standing_of(read, ()).word == "unreadable"
    assert any("schema version 99" in fault for fault in read.faults)
