"""Every exemplar is what a candidate should be: right, well formed, compiled without spills."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from runner.contract import Candidate, EvaluationStatus
from runner.exemplars import Exemplar, exemplars
from runner.exemplars.index import FAMILIES
from runner.problem import Problem, load_problem
from runner.verifier import Verifier, VerifyOptions
from runner.verifier.resources import MAX_SHARED_BYTES
from runner.verifier.screen import screen

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PROBLEMS = HERE / "problems"
CHILD_LIMIT_S = 300
# An output of one number, and two ways by size: the others are judged on a GPU.
JUDGED_ON_CPU = ("cross_entropy", "row_softmax")

each = pytest.mark.parametrize("exemplar", exemplars(), ids=lambda exemplar: exemplar.name)


def problem_of(exemplar: Exemplar) -> Problem:
    return load_problem(PROBLEMS / exemplar.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    process: subprocess.Popen[str]
    complaints: Path

    def answer(self) -> dict[str, Any]:
        printed, _ = self.process.communicate(timeout=CHILD_LIMIT_S)
        assert self.process.returncode == 0, self.complaints.read_text()
        found: dict[str, Any] = json.loads(printed)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Children:
    """The two child processes that import exemplars, side by side: one to run, one to compile."""

    interpreting: Child
    compiling: Child


def start_child(script: str, folder: Path, **environment: str) -> Child:
    complaints = folder / f"{script}.stderr"  # a file: nobody reads a pipe before the answer
    with complaints.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, HERE / script],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )
    return Child(process=process, complaints=complaints)


@pytest.fixture(scope="module")
def children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Children]:
    folder, cache = tmp_path_factory.mktemp("children"), tmp_path_factory.mktemp("triton")
    found = Children(
        interpreting=start_child("interpreted_exemplars.py", folder, CUDA_VISIBLE_DEVICES=""),
        compiling=start_child("compiled_exemplars.py", folder, TRITON_CACHE_DIR=str(cache)),
    )
    yield found
    for child in (found.interpreting, found.compiling):
        child.process.kill()
        child.process.communicate()


@pytest.fixture(scope="module")
def faults(children: Children) -> dict[str, list[str]]:
    return children.interpreting.answer()


@pytest.fixture(scope="module")
def launches(children: Children) -> dict[str, list[dict[str, Any]]]:
    return children.compiling.answer()


@each
def test_computes_what_pytorch_computes_in_the_interpreter(
    exemplar: Exemplar, faults: dict[str, list[str]]
) -> None:
    assert faults[exemplar.name] == []


@each
def test_compiles_for_hopper_without_spills_within_shared_memory(
    exemplar: Exemplar, launches: dict[str, list[dict[str, Any]]]
) -> None:
    rows = launches[exemplar.name]
    assert rows
    assert [row for row in rows if row["spill_bytes"]] == []
    assert max(row["shared_bytes"] for row in rows) <= MAX_SHARED_BYTES


@each
def test_passes_the_screen_of_its_problem(exemplar: Exemplar) -> None:
    assert screen(exemplar.source, problem_of(exemplar)) is None


@each
def test_imports_only_what_the_contract_names(exemplar: Exemplar) -> None:
    imported = {
        name
        for node in ast.walk(ast.parse(exemplar.source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
        )
    }
    assert imported <= {"torch", "triton", "triton.language", "math"}


def constant(tree: ast.Module, name: str) -> Any:
    """The literal that the module gives `name`, or None."""
    values = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]
    return values[0] if values else None


@each
def test_tunables_are_literals_that_hold_the_default(exemplar: Exemplar) -> None:
    tree = ast.parse(exemplar.source)
    tunables, config = constant(tree, "TUNABLES"), constant(tree, "CONFIG")
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if tunables is None:
        assert config is None
        assert "pick_config" not in functions
        return
    assert list(tunables) == list(config)
    assert all(config[name] in values for name, values in tunables.items())
    picks, entry = functions["pick_config"], functions[exemplar.entry]
    assert ast.unparse(picks.args) == ast.unparse(entry.args)
    assert [ast.unparse(line) for line in picks.body] == ["return CONFIG"]


@each
def test_entry_is_that_of_its_problem_and_says_what_it_refuses(exemplar: Exemplar) -> None:
    assert exemplar.entry == problem_of(exemplar).entry
    functions = {
        node.name: node
        for node in ast.parse(exemplar.source).body
        if isinstance(node, ast.FunctionDef)
    }
    assert "ValueError" in (ast.get_docstring(functions[exemplar.entry]) or "")


def test_the_list_names_every_file_once_and_every_family() -> None:
    names = [exemplar.name for exemplar in exemplars()]
    assert sorted(names) == sorted(path.stem for path in exemplars()[0].path.parent.glob("*.py"))
    assert sorted(names) == sorted(path.name for path in PROBLEMS.iterdir() if path.is_dir())
    assert {exemplar.family for exemplar in exemplars()} == set(FAMILIES)
    assert len({exemplar.title for exemplar in exemplars()}) == len(names)


@pytest.mark.parametrize("name", JUDGED_ON_CPU)
def test_the_verifier_passes_it_without_a_gpu(name: str) -> None:
    (exemplar,) = [exemplar for exemplar in exemplars() if exemplar.name == name]
    # Not a quick one: half precision may pass a loss of one number on a few cases, by luck.
    options = VerifyOptions(device="cpu")
    with Verifier(problem_of(exemplar), options) as verifier:
        evaluation = verifier.verify(Candidate.of(exemplar.source, 1))
    assert evaluation.status is EvaluationStatus.PASSED, evaluation.detail


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@each
def test_the_verifier_passes_it_on_a_gpu(exemplar: Exemplar) -> None:
    with Verifier(problem_of(exemplar), VerifyOptions(device="cuda", quick=True)) as verifier:
        evaluation = verifier.verify(Candidate.of(exemplar.source, 1))
    assert evaluation.status is EvaluationStatus.PASSED, evaluation.detail
