from __future__ import annotations

from pathlib import Path

import pytest

from runner.contract import Workload
from runner.errors import ProblemError
from runner.problem import load_problem, parse_problem

SPEC = """\
name = "row_scale"
entry = "row_scale"
summary = "Scale each row"
policy = "triton-only"
baselines = ["eager", "compile"]

[axes]
M = [1, 64]
N = [1, 4096]

[[inputs]]
name = "x"
shape = ["M", "N"]
dtype = "float16"
[[inputs]]
name = "scale"
shape = ["M", 1]
dtype = "float16"
[[outputs]]
name = "y"
shape = ["M", "N"]
dtype = "float16"

[[tests]]
M = 3
N = 77
[[benchmarks]]
M = 64
N = 4096
"""
REFERENCE = "def row_scale(x, scale):\n    return x * scale\n"


def faults_of(spec: str, reference: str = REFERENCE, baseline: str | None = None) -> list[str]:
    with pytest.raises(ProblemError) as caught:
        parse_problem(spec, reference, baseline)
    return [str(fault) for fault in caught.value.faults]


def test_parses_a_good_spec() -> None:
    problem = parse_problem(SPEC, REFERENCE)
    assert problem.inputs[1].shape == ("M", 1)
    assert problem.inputs[0].concrete_shape(problem.tests[0]) == (3, 77)
    assert problem.tests == (Workload(axes={"M": 3, "N": 77}),)
    assert str(problem.tests[0]) == "M=3 N=77"
    assert problem.tolerance.multiplier == 2.0
    assert problem.sha256 == parse_problem(SPEC, REFERENCE).sha256
    assert problem.sha256 != parse_problem(SPEC, REFERENCE + "\n").sha256


ONE_FAULT = [
    # what is replaced, by what, the fault it must give
    ('entry = "row_scale"\n', "", "problem.toml: entry: field required"),
    ('entry = "row_scale"', 'entry = "class"', "problem.toml:2: entry 'class' is a Python keyword"),
    ('name = "row_scale"', 'name = "Row Scale"', "problem.toml:1: name: string should match"),
    ('"triton-only"', '"anything"', "problem.toml:4: policy: input should be 'triton-only'"),
    ("M = [1, 64]", "M = [64, 1]", "problem.toml:8: axis M: range [64, 1] is empty"),
    ("M = [1, 64]", "M = 64", "problem.toml:8: axes.M: input should be a valid tuple"),
    ("M = [1, 64]", "", "problem.toml:13: inputs[0]: axis 'M' is not declared under [axes]"),
    ('shape = ["M", 1]', 'shape = ["K", 1]', "problem.toml:17: inputs[1]: axis 'K'"),
    ('shape = ["M", 1]\ndtype = "float16"', 'shape = ["M", 1]\ndtype = "float12"',
     "problem.toml:18: inputs[1]: unknown dtype 'float12'"),
    ('name = "scale"', 'name = "x"', "problem.toml:16: inputs[1]: a second tensor named 'x'"),
    ("M = 3", "M = 65", "problem.toml:25: tests[0]: M = 65 is outside its declared range [1, 64]"),
    ("M = 3\n", "", "problem.toml:24: tests[0]: has no size for M"),
    ("M = 3", "Q = 3", "problem.toml:25: tests[0]: axis 'Q' is not declared"),
    ("N = 4096\n", "N = 4096\nK = 1\n", "problem.toml:30: benchmarks[0]: axis 'K'"),
    ("M = 3", 'M = "3"', "problem.toml:25: tests[0].M: input should be a valid integer"),
    ('summary = "Scale each row"', 'sumary = "x"', "problem.toml:3: sumary: extra inputs"),
    ('summary = "Scale each row"', 'summary = "x', "problem.toml:3: "),
    ('["eager", "compile"]', '["eager", "flash"]', "problem.toml:5: flash: needs a baseline.py"),
    ('dtype = "float16"\n[[outputs]]', 'dtype = "float16"\nlow = 0\n[[outputs]]',
     "problem.toml:19: inputs[1]: low is for integer inputs, not float16"),
    ("M = [1, 64]", "M = [1, 64, 16]", "problem.toml:25: tests[0]: M = 3 is not a multiple of 16"),
    ("M = [1, 64]", "M = [1, 64, 0]", "problem.toml:8: axis M: the step must be at least 1"),
    ("M = [1, 64]", "M = [1, 8, 16]", "problem.toml:8: axis M: no multiple of 16 lies in [1, 8]"),
    ("M = [1, 64]", "M = [1, 64, 1, 1]", "problem.toml:8: axes.M: tuple should have at most 3"),
    ('"triton-only"', '"mixed"', 'problem.toml:4: policy "mixed" needs library_ops'),
    ('policy = "triton-only"', 'library_ops = ["mm"]',
     'problem.toml:4: library_ops needs policy "mixed", not "triton-only"'),
    ('policy = "triton-only"', 'policy = "mixed"\nlibrary_ops = ["aten::mm"]',
     "problem.toml:5: library_ops[0]: string should match"),
    ('dtype = "float16"\n\n[[tests]]', 'dtype = "float16"\ncontiguous = false\n\n[[tests]]',
     "problem.toml:23: outputs[0]: contiguous = false is for inputs"),
    ('dtype = "float16"\n[[outputs]]', 'dtype = "float16"\ncontiguous = "no"\n[[outputs]]',
     "problem.toml:19: inputs[1].contiguous: input should be a valid boolean"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), ONE_FAULT)
def test_names_the_fault_and_its_line(old: str, new: str, expected: str) -> None:
    assert old in SPEC
    found = faults_of(SPEC.replace(old, new, 1))
    assert any(fault.startswith(expected) for fault in found), found


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("def row_scale(x, scale:\n", "reference.py:1: does not parse"),
        ("x = 1\n", "reference.py: defines no function 'row_scale'"),
        ("\n\ndef row_scale(scale, x): ...\n", "reference.py:3: row_scale(scale, x) should take"),
        ("def row_scale(x, scale):\n    return '\0'\n", "reference.py: does not parse"),
        ("(" * 5000 + ")" * 5000, "reference.py"),
    ],
)
def test_names_what_is_wrong_with_the_reference(reference: str, expected: str) -> None:
    assert any(fault.startswith(expected) for fault in faults_of(SPEC, reference))


def test_reads_steps_strides_and_library_operators() -> None:
    spec = SPEC.replace("N = [1, 4096]", "N = [7, 4096, 7]").replace("N = 4096\n", "N = 4095\n")
    spec = spec.replace('"triton-only"', '"mixed"\nlibrary_ops = ["mm", "softmax"]')
    scale_ends = 'dtype = "float16"\n[[outputs]]'
    spec = spec.replace(scale_ends, f"contiguous = false\n{scale_ends}")
    problem = parse_problem(spec, REFERENCE)
    assert problem.axes == {"M": (1, 64), "N": (7, 4096)}
    assert problem.steps == {"M": 1, "N": 7}
    assert problem.library_ops == ("mm", "softmax")
    assert [spec.contiguous for spec in problem.inputs] == [True, False]
    plain = parse_problem(SPEC, REFERENCE)
    assert plain.library_ops == ()
    assert all(spec.contiguous for spec in plain.inputs)


def test_names_every_fault_at_once() -> None:
    spec = SPEC.replace("M = 3", "M = 65").replace('"float16"', '"half"').replace("Scale each", "")
    spec = spec.replace('policy = "triton-only"', 'policy = "none"')
    found = "\n".join(faults_of(spec, "def other(): ...\n"))
    for part in (":4: policy", "inputs[0]: unknown dtype", "inputs[1]: unknown dtype",
                 "outputs[0]: unknown dtype", "M = 65", "defines no function"):  # fmt: skip
        assert part in found


def test_baseline_function_must_exist_and_parse() -> None:
    spec = SPEC.replace('["eager", "compile"]', '["eager", "flash"]')
    assert parse_problem(spec, REFERENCE, "def flash(x, scale): ...\n").baselines[1] == "flash"
    assert faults_of(spec, REFERENCE, "pass\n") == ["baseline.py: defines no function 'flash'"]
    assert "does not parse" in faults_of(spec, REFERENCE, "def (")[0]


def test_lines_are_right_beyond_a_multi_line_string() -> None:
    hints = 'hints = """\n[axes]\nM = 1\n"""\n'
    spec = SPEC.replace("[axes]", hints + "\n[axes]", 1).replace("M = 3", "M = 65")
    assert faults_of(spec)[0].startswith("problem.toml:30: tests[0]: M = 65")


def test_load_problem_names_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as caught:
        load_problem(tmp_path)
    assert [fault.file for fault in caught.value.faults] == ["problem.toml", "reference.py"]
    (tmp_path / "problem.toml").write_text(SPEC)
    (tmp_path / "reference.py").write_bytes(b"\xff\xfe")
    with pytest.raises(ProblemError, match=r"reference\.py: is not UTF-8"):
        load_problem(tmp_path)
    (tmp_path / "reference.py").write_text(REFERENCE)
    assert load_problem(tmp_path).name == "row_scale"
