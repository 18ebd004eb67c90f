"""What is a suite, and which of its problems is meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.errors import ProblemError, RunnerError
from runner.suites import open_suite
from runner.suites.families import family_of

ROOT = Path(__file__).parents[3]


def test_levels_and_numbers_order_the_problems(looking):
    suite = open_suite(looking.suite)
    keys = [one.key for one in suite.problems()]
    assert suite.kind == "kernelbench"
    assert keys[:3] == ["1/1", "1/2", "1/3"]
    assert keys[9] == "1/10"  # by number, not by letter
    assert [one.key for one in suite.problems(2)] == ["2/1", "2/2", "2/3"]


def test_a_level_folder_is_a_suite_of_that_level(looking):
    (first, *_) = open_suite(looking.suite / "level2").problems()
    assert (first.key, first.level, first.title) == ("2/1", 2, "Linear GELU Dropout")


def test_a_checkout_is_found_by_its_inner_folder(tmp_path):
    level = tmp_path / "KernelBench" / "level3"
    level.mkdir(parents=True)
    (level / "7_Net.py").write_text("")
    assert [one.key for one in open_suite(tmp_path).problems()] == ["3/7"]


@pytest.mark.parametrize("name", ["2/1", "Linear GELU Dropout"])
def test_a_problem_is_named_by_key_or_title(looking, name):
    assert open_suite(looking.suite).problem(name).key == "2/1"


def test_a_number_needs_its_level_where_two_have_it(looking):
    suite = open_suite(looking.suite)
    with pytest.raises(RunnerError, match="2 may be any of 1/2, 2/2: name the level"):
        suite.problem("2")
    assert suite.problem("2", level=2).key == "2/2"
    with pytest.raises(RunnerError, match=r"level 1 of .* has no problem 99"):
        suite.problem("99", level=1)
    with pytest.raises(RunnerError, match="no problem of level 7: its levels are 1, 2"):
        suite.problems(7)


def test_this_projects_own_folders_are_a_suite():
    suite = open_suite(ROOT / "problems")
    assert suite.kind == "folders"
    assert suite.problem("rms_norm").load().name == "rms_norm"


@pytest.mark.parametrize("make", ["missing", "file", "empty"])
def test_a_path_that_is_no_suite_is_told_in_one_sentence(tmp_path, make):
    path = tmp_path / "suite"
    if make == "file":
        path.write_text("x")
    elif make == "empty":
        path.mkdir()
    with pytest.raises(RunnerError, match="is not a suite: it") as told:
        open_suite(path)
    assert "\n" not in str(told.value)


def _trace_set(folder: Path, definition: dict, workloads: list[dict]) -> Path:
    for part in ("definitions", "workloads"):
        (folder / part / "rmsnorm").mkdir(parents=True)
    file = folder / "definitions" / "rmsnorm" / "rmsnorm_h64.json"
    file.write_text(json.dumps(definition))
    rows = [{"definition": "rmsnorm_h64", "workload": row} for row in workloads]
    text = "\n".join(json.dumps(row) for row in rows)
    (folder / "workloads" / "rmsnorm" / "rmsnorm_h64.jsonl").write_text(text)
    return folder


def _definition(**changes: object) -> dict:
    return {
        "name": "rmsnorm_h64",
        "op_type": "rmsnorm",
        "axes": {"tokens": {"type": "var"}, "hidden": {"type": "const", "value": 64}},
        "inputs": {
            "x": {"shape": ["tokens", "hidden"], "dtype": "bfloat16"},
            "eps": {"shape": None, "dtype": "float32"},
        },
        "outputs": {"y": {"shape": ["tokens", "hidden"], "dtype": "bfloat16"}},
        "reference": "import torch\n\ndef run(x, eps):\n    return x",
        **changes,
    }


def _workload(tokens: int, kind: str = "random", eps: float = 1e-6) -> dict:
    inputs = {"x": {"type": kind}, "eps": {"type": "scalar", "value": eps}}
    return {"uuid": str(tokens), "axes": {"tokens": tokens}, "inputs": inputs}


def test_a_definition_with_its_workloads_is_a_problem(tmp_path):
    rows = [_workload(tokens) for tokens in (512, 3, 33, 33, 64, 100)]
    suite = open_suite(_trace_set(tmp_path, _definition(), rows))
    (one,) = suite.problems()
    problem = one.load()
    assert (suite.kind, one.key, one.family) == ("flashinfer-bench", "rmsnorm_h64", "rmsnorm")
    assert [row.axes["tokens"] for row in problem.tests] == [3, 33, 64, 100, 512]
    assert [row.axes["tokens"] for row in problem.benchmarks] == [3, 33, 64, 512]
    assert problem.axes == {"tokens": (3, 512), "hidden": (64, 64)}
    # A scalar is the same in every workload: it stands in the reference, and x alone is an input.
    assert [row.name for row in problem.inputs] == ["x"]
    assert problem.reference_text.endswith("def rmsnorm_h64(x):\n    return run(x, 1e-06)\n")


def test_tied_axes_are_taken_as_they_are(tmp_path):
    definition = _definition(constraints=["tokens == 2 * hidden"])
    suite = open_suite(_trace_set(tmp_path, definition, [_workload(7), _workload(128)]))
    assert suite.problem("rmsnorm_h64").load().axes["tokens"] == (128, 128)


@pytest.mark.parametrize(
    ("definition", "rows", "reason"),
    [
        (_definition(), [_workload(3, "safetensors")], "input x is of type safetensors"),
        (_definition(), [_workload(3), _workload(4, eps=0.5)], "scalar eps has no single value"),
        (_definition(), [], "has no workload"),
        ({"name": "rmsnorm_h64"}, [_workload(3)], "is not a definition"),
    ],
)
def test_a_definition_that_a_spec_cannot_say_is_refused(tmp_path, definition, rows, reason):
    suite = open_suite(_trace_set(tmp_path, definition, rows))
    with pytest.raises(ProblemError, match=reason):
        suite.problem("rmsnorm_h64").load()


@pytest.mark.parametrize(
    ("title", "family"),
    [
        ("ScaledDotProductAttention", "attention"),
        ("conv transposed 1D", "convolution"),
        ("LogSoftmax", "softmax"),
        ("Gemm Max Subtract GELU", "matmul"),
        ("ResNet18", "network"),
        ("MSELoss", "loss"),
        ("Something else", ""),
    ],
)
def test_a_title_tells_the_family(title, family):
    assert family_of(title) == family
