"""Problems in KernelBench's format: a file with `Model`, `get_inputs` and `get_init_inputs`.

Owns where they lie and how one becomes a spec. The file is foreign code: it is looked at in a
sandboxed worker, and what that reports is checked like any spec. Format: README of
github.com/ScalingIntelligence/KernelBench, of which nothing is copied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import Fault, ProblemError, ReferenceFailed
from runner.problem import Problem, parse_problem
from runner.recipe import CANDIDATE_CLASS
from runner.suites.families import family_of
from runner.suites.spec_text import write_spec

_FILE = re.compile(r"(\d+)_(.+)\.py")
_LEVEL = re.compile(r"level_?(\d+)")
# An operator that only such a layer runs on the meta device → the layer's operators on a GPU.
_ON_GPU: Mapping[str, tuple[str, ...]] = {
    "_safe_softmax": ("scaled_dot_product_attention",),
    "bernoulli_": ("native_dropout",),
    "unsafe_split": ("_cudnn_rnn", "_thnn_fused_gru_cell", "_thnn_fused_lstm_cell"),
}
_DRAWS = ("bernoulli", "exponential", "normal", "rand", "uniform")
MAX_FILE_BYTES = 1 << 20
MAX_OUTPUTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemFile:
    """One file of a suite: `number` and `title` are its name's, `level` its folder's."""

    path: Path
    level: int | None
    number: int
    title: str

    @property
    def family(self) -> str:
        """By the words of the title; "" where they do not tell."""
        return family_of(self.title)


def list_files(path: Path) -> list[ProblemFile]:
    """The problems of `path`: its level folders, or one level; in order of level and number."""
    nested = path / "KernelBench"
    root = nested if nested.is_dir() and not _levels(path) else path
    folders = _levels(root) or [(_level_of(root), root)]
    found = [
        ProblemFile(
            path=file,
            level=level,
            number=int(match[1]),
            title=match[2].strip("_").replace("_", " "),
        )
        for level, folder in folders
        for file in folder.iterdir()
        if (match := _FILE.fullmatch(file.name)) is not None and file.is_file()
    ]
    return sorted(found, key=lambda file: (file.level or 0, file.number, file.path.name))


def load_file(file: ProblemFile, *, allow_no_sandbox: bool) -> Problem:
    """The problem of a file. Raises ReferenceFailed or ProblemError with what is wrong with it."""
    # Imported late: torch takes seconds, and a list of problems needs none.
    from runner.suites.describing import describe_file

    text = _read(file.path)
    facts = describe_file(text, file.path.name, allow_no_sandbox=allow_no_sandbox)
    return problem_from(file, text, facts)


def problem_from(file: ProblemFile, text: str, facts: dict[str, Any]) -> Problem:
    """The problem of `text`, of which `facts` are known. Raises as `load_file` does."""
    outputs = facts["outputs"]
    if not 1 <= len(outputs) <= MAX_OUTPUTS:
        raise ReferenceFailed(f"{file.path.name}: Model returns {len(outputs)} tensors")
    problem = parse_problem(write_spec(_header(file, facts), facts), text)
    form = problem.module
    if form is not None and not any(_is_drawn(step) for step in form.recipe.draws):
        raise ReferenceFailed(
            f"{file.path.name}: get_inputs draws nothing, so an answer from memory would pass"
        )
    return problem


def _is_drawn(step: Any) -> bool:
    return str(step[0]).split(".")[0].startswith(_DRAWS)


def _header(file: ProblemFile, facts: dict[str, Any]) -> dict[str, Any]:
    """What stands above the tables: the name, the policy, what the library may do."""
    from runner.verifier.integrity import arithmetic, library_calls_of

    operations = arithmetic(facts["operations"])
    calls = library_calls_of(facts["operations"])
    level = "" if file.level is None else f"_l{file.level}"
    slug = re.sub(r"[^a-z0-9]+", "_", file.title.lower()).strip("_")[:40]
    mixed = calls > 1
    return {
        "name": f"kb{level}_{file.number}_{slug}".strip("_"),
        "entry": CANDIDATE_CLASS,
        "summary": file.title[:300],
        "family": file.family,
        "policy": "mixed" if mixed else "triton-only",
        **({"library_ops": sorted({*operations, *_elsewhere(operations)})[:64]} if mixed else {}),
        "library_calls": max(0, calls - 1),
    }


def _elsewhere(operations: Mapping[str, int]) -> set[str]:
    """What the same layers run on a GPU, where one operator does what here takes several."""
    return {name for trace, names in _ON_GPU.items() if trace in operations for name in names}


def _levels(root: Path) -> list[tuple[int | None, Path]]:
    found: list[tuple[int | None, Path]] = [
        (int(match[1]), folder)
        for folder in root.iterdir()
        if folder.is_dir() and (match := _LEVEL.fullmatch(folder.name)) is not None
    ]
    return sorted(found, key=lambda row: row[0] or 0)


def _level_of(root: Path) -> int | None:
    match = _LEVEL.fullmatch(root.name)
    return None if match is None else int(match[1])


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ProblemError((Fault(path.name, None, "is too large for a problem"),))
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ProblemError((Fault(path.name, None, "is not UTF-8 text"),)) from error
