"""A judge's process whose verifier follows a script: the real loop of messages, no torch.

Owns nothing of the protocol. A candidate's source says what happens to it, word by word:
`pass`, `fail`, `tune`, `sleep`, `die` (once: until the file beside it exists), `always-die`, `lie`.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from runner.contract import Candidate, Check, Evaluation, EvaluationStatus, Roofline
from runner.errors import ReferenceFailed, RunnerError
from runner.judges.messages import Opening, Ready
from runner.judges.process import serve
from runner.tune.types import Tuned
from tests.fakes.measured import ROOFLINE, measured


class ScriptedVerifier:
    """`folder` is where it leaves notes of what it did."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder = folder
        self._kind = kind
        self._over = threading.Event()

    @property
    def roofline(self) -> Roofline | None:
        return ROOFLINE

    def prepare(self) -> None:
        self._note("prepared")
        if self._kind == "bad-reference":
            raise ReferenceFailed("the reference raises")

    def verify(self, candidate: Candidate) -> Evaluation:
        return self._follow(candidate, "verify")

    def finalize(self, candidate: Candidate) -> Evaluation:
        return self._follow(candidate, "finalize")

    def tune(self, candidate: Candidate, time_left_s: float) -> Tuned | None:
        if "tune" not in candidate.source:
            return None
        config = {"BLOCK": 64, "fast": True, "kind": None}
        note = f"{time_left_s:g} s left"
        return Tuned(candidate=candidate, config=config, tried=4, dropped=1, timed=3, note=note)

    def abandon(self) -> None:
        self._over.set()

    def close(self) -> None:
        self._over.set()
        self._note("closed")

    def _follow(self, candidate: Candidate, stage: str) -> Evaluation:
        words = candidate.source.split()
        mark = self._folder / f"died-{words[-1]}"
        if "always-die" in words or ("die" in words and not mark.exists()):
            mark.touch()
            os._exit(9)
        if "lie" in words:
            os.write(int(os.environ["REPLIES"]), b"no json\n")
        if "machine" in words:
            raise RunnerError("the machine is at fault")
        if "surprise" in words:
            raise ValueError("nobody foresaw this")
        if "sleep" in words:
            self._over.wait(30)
            self._over.clear()
        status = EvaluationStatus.PASSED if "pass" in words else EvaluationStatus.TIMEOUT
        if status is EvaluationStatus.PASSED:
            where = os.environ.get("CUDA_VISIBLE_DEVICES", "")
            row = Check(name="seen by the judge", detail=f"{where} {os.getpid()} {stage}")
            found = measured()
            return found.model_copy(update={"candidate_sha256": candidate.sha256, "checks": (row,)})
        return Evaluation(
            status=status,
            candidate_sha256=candidate.sha256,
            device="cuda",
            stage=stage,
            summary="as the script says",
        )

    def _note(self, what: str) -> None:
        with (self._folder / "notes").open("a") as file:
            file.write(f"{what} {os.environ.get('CUDA_VISIBLE_DEVICES')}\n")


def main() -> int:
    folder, kind = Path(sys.argv[1]), sys.argv[2]
    descriptor = os.dup(1)
    os.environ["REPLIES"] = str(descriptor)
    replies = os.fdopen(descriptor, "wb")

    def open_scripted(opening: Opening) -> tuple[ScriptedVerifier, Ready]:
        if kind == "no-gpu":
            raise RunnerError("a GPU is asked for, and PyTorch sees none")
        gpu = "NVIDIA H200"
        if kind == "mixed" and os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-1":
            gpu = "NVIDIA A100"
        print(opening.problem.name, opening.options, flush=True, file=sys.stderr)
        return ScriptedVerifier(folder, kind), Ready(sandbox="none", device="cuda", gpu=gpu)

    return serve(sys.stdin.buffer, replies, open_scripted)


if __name__ == "__main__":
    sys.exit(main())
