"""One problem folder as the site sees it: texts, verdict, pictures, and what is wrong with them.

Owns the reading: regular files alone, of bounded size. Runs nothing; a fault in a folder is shown
on its page and never stops the others.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from runner.bundle import MAX_FILE_BYTES
from runner.contract import Evaluation, sha256_hex
from runner.errors import ContractError, ProblemError, RunnerError
from runner.kernel_facts import kernel_digest
from runner.problem import (
    BASELINE_FILE,
    REFERENCE_FILE,
    SPEC_FILE,
    Problem,
    parse_problem,
    problem_digest,
)
from runner.results import Results, read_results

KERNEL_FILE = "kernel.py"
RESULTS_FILE = "results.json"
README_FILE = "README.md"
# A folder without any of these is no problem's.
_MARKS = (SPEC_FILE, KERNEL_FILE, RESULTS_FILE)
_PICTURE = re.compile(r"!\[([^\]\n]{0,200})\]\(([\w.-]{1,100}\.svg)\)")
MAX_PICTURES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that the folder's README shows. `text` is what it says to those who see none."""

    name: str
    text: str
    svg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFolder:
    """What was found. None: not there, or not readable, which `faults` then says.

    `edited` names the files that are not those of the recorded verdict. `refused`: there is a
    results.json, and it is none.
    """

    name: str
    problem: Problem | None
    source: str | None
    results: Results | None
    pictures: tuple[Picture, ...]
    edited: tuple[str, ...]
    refused: bool
    faults: tuple[str, ...]

    @property
    def evaluation(self) -> Evaluation | None:
        """The recorded verdict, whether or not it is about the files that are there now."""
        return self.results.evaluation if self.results else None

    @property
    def standing_evaluation(self) -> Evaluation | None:
        """The recorded verdict, where it is about the files that are there now."""
        return None if self.edited or self.source is None else self.evaluation

    @property
    def kernel_digests(self) -> frozenset[str]:
        """What the kernel is known by: the candidate in its file, and the file as it is."""
        if self.source is None:
            return frozenset()
        return frozenset({kernel_digest(self.source), sha256_hex(self.source)})


def read_folders(root: Path) -> tuple[KernelFolder, ...]:
    """Every problem folder directly below `root`, by name. Raises RunnerError where there is none.

    Links are not followed: a link in a checked-out branch could lead anywhere on this machine.
    """
    try:
        children = sorted(
            Path(row.path) for row in os.scandir(root) if row.is_dir(follow_symlinks=False)
        )
    except OSError as error:
        raise RunnerError(f"cannot read {root}: {error.strerror}") from error
    found = [child for child in children if any((child / name).exists() for name in _MARKS)]
    if not found:
        raise RunnerError(f"{root} holds no problem folder: none has {', '.join(_MARKS)}")
    return tuple(read_folder(child) for child in found)


def read_folder(folder: Path) -> KernelFolder:
    """One folder. What cannot be read is left out and named in `faults`."""
    faults: list[str] = []

    def text(name: str) -> str | None:
        try:
            return _read(folder / name)
        except ContractError as error:
            faults.append(str(error))
            return None

    spec, reference, source = text(SPEC_FILE), text(REFERENCE_FILE), text(KERNEL_FILE)
    problem = _problem(spec, reference, text(BASELINE_FILE), faults)
    recorded = text(RESULTS_FILE)
    results = _results(recorded, faults)
    names = _PICTURE.findall(text(README_FILE) or "")
    shown = {name: words for words, name in names[:MAX_PICTURES]}
    return KernelFolder(
        name=folder.name,
        problem=problem,
        source=source,
        results=results,
        pictures=tuple(
            Picture(name=name, text=words or name, svg=svg)
            for name, words in shown.items()
            if (svg := text(name)) is not None
        ),
        edited=_edited(results, spec=spec, reference=reference, source=source),
        refused=recorded is not None and results is None,
        faults=tuple(faults),
    )


def _problem(
    spec: str | None, reference: str | None, baseline: str | None, faults: list[str]
) -> Problem | None:
    if spec is None or reference is None:
        missing = SPEC_FILE if spec is None else REFERENCE_FILE
        faults.append(f"{missing} is not there: the problem is not known")
        return None
    try:
        return parse_problem(spec, reference, baseline)
    except ProblemError as error:
        faults += [str(fault) for fault in error.faults]
        return None


def _results(text: str | None, faults: list[str]) -> Results | None:
    if text is None:
        return None
    try:
        return read_results(text)
    except ContractError as error:
        faults.append(str(error))
        return None


def _edited(
    results: Results | None, *, spec: str | None, reference: str | None, source: str | None
) -> tuple[str, ...]:
    """Files by which the recorded verdict is about something else than what lies in the folder."""
    edited: list[str] = []
    if results is None or results.evaluation is None:
        return ()
    if source is not None and kernel_digest(source) != results.evaluation.candidate_sha256:
        edited.append(KERNEL_FILE)
    if spec is not None and reference is not None:
        # One digest covers both: which of them was edited, nobody can say.
        same = problem_digest(spec, reference) == results.problem_sha256
        edited += [] if same else [f"{SPEC_FILE} or {REFERENCE_FILE}"]
    return tuple(edited)


def _read(path: Path) -> str | None:
    """The text of a regular file; None where there is none. Raises ContractError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ContractError(f"{path.name} is not read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ContractError(f"{path.name} is not read: no regular file")
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ContractError(f"{path.name} is not read: more than {MAX_FILE_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ContractError(f"{path.name} is not UTF-8 text") from error
