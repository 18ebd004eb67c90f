"""The corpus: every hostile and every honest kernel file, and what its header lines say.

Owns the header's format and refuses one that it does not know. Judges nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.contract import Candidate, EvaluationStatus
from runner.problem import Problem, load_problem

HOSTILE_FOLDER = Path(__file__).parent
HONEST_FOLDER = HOSTILE_FOLDER.parent / "honest"
PROBLEMS = HOSTILE_FOLDER / "problems"
CLASSES = frozenset(
    {"fakes_verdict", "patches_harness", "steals_answer", "destroys_question", "edits_rules"}
    | {"hides_work", "answers_from_memory", "games_the_cache", "games_the_statistic"}
    | {"drops_precision", "fakes_maths", "is_not_a_kernel", "fits_only_the_test", "attacks_host"}
    | {"breaks_memory"}
)
# They look for answers in the GPU's memory: they must not find those of the kernel before.
_OWN_ON_GPU = frozenset({"steals_answer", "answers_from_memory"})
NAIVE = frozenset({"passes", "faster", "dies", "hangs"})
TIMEOUT_S = 120.0
Device = Literal["cpu", "cuda"]

_KEYS = {"status", "status_cuda", "screen", "process", "timeout_s", "problem", "device", "naive"}
_LINE = re.compile(r"# ([a-z_]+): (\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One file of the corpus. `naive` is None exactly for honest kernels."""

    path: Path
    problem: str
    status: EvaluationStatus
    status_cuda: EvaluationStatus
    screen_off: bool
    own_process: bool
    needs_gpu: bool
    timeout_s: float
    naive: str | None

    @property
    def name(self) -> str:
        """`class/name`: what it is called in tables and test ids."""
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def candidate(self) -> Candidate:
        return Candidate.of(self.path.read_text(encoding="utf-8"), attempt=1)

    def wanted(self, device: Device) -> EvaluationStatus:
        """The status that its verdict must have on `device`."""
        return self.status_cuda if device == "cuda" else self.status

    def wants_own_process(self, device: Device) -> bool:
        """Whether it must find, or would leave behind, a process that others should not share."""
        meets_memory = self.path.parent.name in _OWN_ON_GPU or self.needs_gpu
        return self.own_process or (device == "cuda" and meets_memory)

    def runs_on(self, device: Device) -> bool:
        """Whether there is anything to judge on `device`."""
        return device == "cuda" or not self.needs_gpu


def load_kernel(path: Path) -> Kernel:
    """Read one file's header. Raises ValueError for a line that means nothing."""
    header: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# "):
            break
        found = _LINE.fullmatch(line)
        if found is None or found[1] not in _KEYS or found[1] in header:
            raise ValueError(f"{path}: no such header line: {line}")
        header[found[1]] = found[2]
    honest = path.parent == HONEST_FOLDER
    _check(path, header, honest)
    return Kernel(
        path=path,
        problem=header.get("problem", "row_softmax"),
        status=EvaluationStatus(header["status"]),
        status_cuda=EvaluationStatus(header.get("status_cuda", header["status"])),
        screen_off=header.get("screen") == "off",
        own_process=header.get("process") == "own",
        needs_gpu=header.get("device") == "cuda",
        timeout_s=float(header.get("timeout_s", TIMEOUT_S)),
        naive=header.get("naive"),
    )


def hostile_kernels() -> tuple[Kernel, ...]:
    """Every hostile kernel, by problem, so that one verifier serves its neighbours."""
    files = [path for name in CLASSES for path in (HOSTILE_FOLDER / name).glob("*.py")]
    return _in_order(files)


def honest_kernels() -> tuple[Kernel, ...]:
    """Every honest kernel, by problem."""
    return _in_order(HONEST_FOLDER.glob("*.py"))


def problem_of(kernel: Kernel) -> Problem:
    """The problem that a kernel answers."""
    return load_problem(PROBLEMS / kernel.problem)


def _in_order(files: Iterable[Path]) -> tuple[Kernel, ...]:
    kernels = [load_kernel(path) for path in files]
    return tuple(sorted(kernels, key=lambda k: (k.problem, -k.timeout_s, k.name)))


def _check(path: Path, header: dict[str, str], honest: bool) -> None:
    allowed = {"screen": {"off"}, "process": {"own"}, "device": {"cuda"}, "naive": NAIVE}
    for key, values in allowed.items():
        if header.get(key) not in {None, *values}:
            raise ValueError(f"{path}: {key} is one of {sorted(values)}, not {header[key]}")
    if "status" not in header:
        raise ValueError(f"{path}: says no status")
    if honest and (header["status"] != "PASSED" or {"naive", "screen"} & header.keys()):
        raise ValueError(f"{path}: an honest kernel passes, screen and all")
    if not honest and ("naive" not in header or "PASSED" in header.values()):
        raise ValueError(f"{path}: a hostile kernel never passes, and says what is naive about it")
