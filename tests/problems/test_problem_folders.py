"""Every folder under problems/: the spec, the reference, the baselines and the transcript agree."""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from runner.bundle import PROBLEM_FILES
from runner.contract import Candidate, Workload, sha256_hex
from runner.extract import extract_candidate
from runner.folder import render_folder
from runner.kernel_facts import without_facts
from runner.problem import BUILT_IN_BASELINES, Problem, load_problem
from runner.results import read_results
from runner.verifier.inputs import NORMAL, Case, make_inputs
from runner.verifier.precise import call_in_float64
from runner.verifier.wire import PREPARATION

PROBLEMS = Path(__file__).parents[2] / "problems"
# Of the bundles that runs handed in, with the digest of each file.
MANIFESTS = PROBLEMS.parent / "tests" / "fixtures" / "manifests"
# Made of the other files, and written differently since; that it agrees with them has a test.
WRITTEN = {"README.md"}
FOLDERS = sorted(folder for folder in PROBLEMS.iterdir() if folder.is_dir())
# A spec waits in its folder until a run hands in a kernel for it, with all that belongs to one.
DELIVERED = [folder for folder in FOLDERS if (folder / "kernel.py").exists()]
WITH_BASELINES = [
    folder for folder in FOLDERS if set(load_problem(folder).baselines) - BUILT_IN_BASELINES
]
CASES = [
    pytest.param(folder, workload, id=f"{folder.name}-{workload}")
    for folder in FOLDERS
    for workload in load_problem(folder).tests
]


def import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference_of(problem: Problem, folder: Path) -> Callable[..., torch.Tensor]:
    function: Callable[..., torch.Tensor] = getattr(
        import_file(folder / "reference.py"), problem.entry
    )
    return function


def normal_inputs(problem: Problem, workload: Workload) -> list[torch.Tensor]:
    case = Case(workload=workload, distribution=NORMAL, seed=20)
    return list(make_inputs(problem, case).values())


def widened(inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    return [t.double() if t.is_floating_point() else t for t in inputs]


def as_tuple(outputs: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def transcript_lines(folder: Path) -> list[dict[str, object]]:
    text = (folder / "transcript.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_the_two_problems_of_the_first_release_are_here() -> None:
    assert {"relative_position_attention", "rms_norm"} <= {folder.name for folder in FOLDERS}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_folder_parses_under_its_own_name_and_holds_only_problem_files(folder: Path) -> None:
    assert load_problem(folder).name == folder.name
    found = {path.name for path in folder.iterdir() if path.name != "__pycache__"}
    assert found <= set(PROBLEM_FILES)
    assert {"problem.toml", "reference.py"} <= found
    assert ("kernel.py" in found) == ("transcript.jsonl" in found) == ("results.json" in found)


@pytest.mark.parametrize("dtype", ["declared", "float64"])
@pytest.mark.parametrize(("folder", "workload"), CASES)
def test_reference_yields_the_declared_outputs(
    folder: Path, workload: Workload, dtype: str
) -> None:
    problem = load_problem(folder)
    inputs = normal_inputs(problem, workload)
    reference = reference_of(problem, folder)
    if dtype == "float64":
        inputs = widened(inputs)
    before = [t.clone() for t in inputs]
    # The oracle widens what a reference narrows by itself.
    wide = dtype == "float64"
    outputs = as_tuple(call_in_float64(reference, inputs) if wide else reference(*inputs))
    assert len(outputs) == len(problem.outputs)
    for tensor, row in zip(outputs, problem.outputs, strict=True):
        assert tuple(tensor.shape) == row.concrete_shape(workload)
        declared = getattr(torch, row.dtype)
        assert tensor.dtype == (torch.float64 if wide and declared.is_floating_point else declared)
        assert torch.isfinite(tensor).all()
    assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True))


@pytest.mark.parametrize(("folder", "workload"), CASES)
def test_reference_in_the_declared_dtype_errs_by_two_roundings_at_most(
    folder: Path, workload: Workload
) -> None:
    # The reference's own error sets every candidate's budget: a sloppy one would let errors pass.
    problem = load_problem(folder)
    inputs = normal_inputs(problem, workload)
    reference = reference_of(problem, folder)
    exact_outputs = as_tuple(call_in_float64(reference, widened(inputs)))
    largest = max(t.abs().max().item() for t in inputs if t.is_floating_point())
    for low, exact in zip(as_tuple(reference(*inputs)), exact_outputs, strict=True):
        half_unit = torch.finfo(low.dtype).eps / 2
        torch.testing.assert_close(low.double(), exact, rtol=half_unit, atol=half_unit * largest)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("folder", WITH_BASELINES, ids=lambda folder: folder.name)
def test_own_baselines_compute_the_reference(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Inductor takes half a minute here and is not the subject: the function compiled is.
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    problem = load_problem(folder)
    own = [name for name in problem.baselines if name not in BUILT_IN_BASELINES]
    baseline = import_file(folder / "baseline.py")
    for workload in problem.tests[:2]:
        inputs = normal_inputs(problem, workload)
        wanted = as_tuple(reference_of(problem, folder)(*widened(inputs)))
        for name in own:
            if (folder.name, name) == ("causal_attention_backward", "flex_attention"):
                continue  # FlexAttention has no backward on a CPU; sdpa stands for both here
            prepare = getattr(baseline, f"{PREPARATION}{name}", None)
            shared = [] if prepare is None else [prepare(*inputs)]
            found = as_tuple(getattr(baseline, name)(*inputs, *shared))
            for tensor, truth in zip(found, wanted, strict=True):
                assert tensor.dtype == inputs[0].dtype
                torch.testing.assert_close(tensor.double(), truth, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("folder", DELIVERED, ids=lambda folder: folder.name)
def test_every_answer_holds_one_standalone_kernel_with_the_entry(folder: Path) -> None:
    problem = load_problem(folder)
    sources = []
    for line in transcript_lines(folder):
        content = str(line["content"])
        assert content.count("```") == 2
        candidate = extract_candidate(content, entry=problem.entry, attempt=1, cut=False)
        assert isinstance(candidate, Candidate)
        tree = ast.parse(candidate.source)
        needed = {"torch", "triton", "triton.language"}
        assert needed <= imported_modules(tree) <= needed | {"triton.tools.tensor_descriptor"}
        (entry,) = [
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name == problem.entry
        ]
        assert [arg.arg for arg in entry.args.args] == [row.name for row in problem.inputs]
        sources.append(candidate.source)
    assert len(set(sources)) == len(sources)


def imported_modules(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_relative_position_weights_fall_by_e_with_each_key() -> None:
    # With q = 0 only the position term is left, and v = identity shows the weights themselves.
    folder = PROBLEMS / "relative_position_attention"
    reference = reference_of(load_problem(folder), folder)
    size = 16
    q = torch.zeros(1, 1, size, size, dtype=torch.float64)
    v = torch.eye(size, dtype=torch.float64)[None, None]
    weights = torch.exp(-torch.arange(size, dtype=torch.float64))
    wanted = (weights / weights.sum()).expand(1, 1, size, size)
    torch.testing.assert_close(reference(q, q, v), wanted)


def test_relative_position_scores_are_scaled_by_the_root_of_the_head_dimension() -> None:
    folder = PROBLEMS / "relative_position_attention"
    reference = reference_of(load_problem(folder), folder)
    q = torch.full((1, 1, 2, 64), 0.5, dtype=torch.float64)
    k = torch.zeros_like(q)
    k[0, 0, 1] = 1.0  # score of key 1: 0.5 * 64 / 8 = 4, less one for its position
    v = torch.tensor([0.0, 1.0], dtype=torch.float64)[None, None, :, None].expand(1, 1, 2, 64)
    wanted = torch.sigmoid(torch.tensor(3.0, dtype=torch.float64)).expand(1, 1, 2, 64)
    torch.testing.assert_close(reference(q, k, v), wanted)


def test_rms_norm_of_a_known_row() -> None:
    folder = PROBLEMS / "rms_norm"
    reference = reference_of(load_problem(folder), folder)
    x = torch.tensor([[3.0, -4.0], [0.0, 0.0]], dtype=torch.float64)
    weight = torch.tensor([1.0, 2.0], dtype=torch.float64)
    inverse_rms = (12.5 + 1e-6) ** -0.5
    wanted = torch.tensor([[3 * inverse_rms, -8 * inverse_rms], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(reference(x, weight), wanted)


@pytest.mark.parametrize("folder", DELIVERED, ids=lambda folder: folder.name)
def test_delivered_files_are_about_this_kernel_and_this_spec(folder: Path) -> None:
    """kernel.py, its results and its transcript tell one story; nobody edited one of them."""
    problem = load_problem(folder)
    source = without_facts((folder / "kernel.py").read_text())
    results = read_results((folder / "results.json").read_text())
    assert results.problem_sha256 == problem.sha256
    assert results.evaluation is not None
    assert results.evaluation.status == "PASSED"
    assert results.evaluation.candidate_sha256 == sha256_hex(source)
    (best,) = (row for row in results.attempts if row.index == results.best_attempt)
    answers = [
        extract_candidate(str(line["content"]), entry=problem.entry, attempt=1, cut=False)
        for line in transcript_lines(folder)
    ]
    # What tuning froze is an answer with other launch parameters: no answer has its text.
    if best.phase != "tune":
        assert source in [found.source for found in answers if isinstance(found, Candidate)]


@pytest.mark.parametrize("folder", DELIVERED, ids=lambda folder: folder.name)
def test_every_made_file_is_what_the_runner_makes_of_the_results(folder: Path) -> None:
    """Byte for byte: README, pictures, tests, docstring and the results' own text."""
    candidate = without_facts((folder / "kernel.py").read_text())
    results = read_results((folder / "results.json").read_bytes())
    made = render_folder(load_problem(folder), results, candidate)
    assert {"README.md", "results.json", "search.svg", "times.svg", "kernel.py"} < set(made)
    for name, text in made.items():
        assert (folder / name).read_bytes() == text.encode(), name


def test_folders_lie_as_their_runs_left_them() -> None:
    """Every file but the written ones has its bundle's digest; nothing is measured without one."""
    handed_in = {file.stem: json.loads(file.read_text()) for file in MANIFESTS.glob("*.json")}
    assert len(handed_in) >= 14
    measured = set()
    for name, manifest in handed_in.items():
        digests = {row["path"]: row["sha256"] for row in manifest["files"]}
        names = {Path(file).name for file in digests}
        assert names >= {*WRITTEN, "kernel.py", "results.json", "search.svg", "transcript.jsonl"}
        for file, digest in digests.items():
            if Path(file).name in WRITTEN:
                continue
            assert sha256_hex((PROBLEMS.parent / file).read_bytes()) == digest, file
        if "H200" in (manifest["environment"]["gpu"] or ""):
            measured.add(name)
    timed = {
        folder.name
        for folder in DELIVERED
        if read_results((folder / "results.json").read_bytes()).evaluation.performance is not None
    }
    assert timed == measured
