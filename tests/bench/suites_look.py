"""Looks at problems of a suite, one after another, for `suites_report`: a process of its own.

Reads a key a line, says what the problem needs of the GPU, waits for a second line, and says what
came of it. Whoever started it ends it when a problem takes too long.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started by its path

import torch

from runner.errors import ContractError, RunnerError
from runner.problem import Problem
from runner.suites import open_suite
from runner.verifier import Verifier, VerifyOptions
from runner.verifier.gpu.memory_plan import need_bytes
from runner.verifier.inputs import plan_cases
from runner.verifier.memory import device_memory_told

_TOO_LARGE = re.compile(
    "does not fit|no workload fits|every workload is too large|memory ran out|the GPU's memory"
)
# Judge and reference each keep blocks that PyTorch has no use for any more.
_KEPT_FACTOR = 1.3
_ANSWER = re.compile(r"right from wrong: (.+?) would pass")
_UNSEEDED = "under the same seed"


def main(checkout: str, device: str, limit_s: str, sandbox: str) -> None:
    suite = open_suite(Path(checkout))
    options = VerifyOptions(
        device="cuda" if device == "cuda" else "cpu",
        quick=True,
        spares=0,
        timeout_s=float(limit_s),
        allow_no_sandbox=sandbox == "optional",
    )
    for line in sys.stdin:
        one = next(one for one in suite.problems() if one.key == line.strip())
        row: dict[str, Any] = {"load_s": None, "reference_s": None}
        began_s = time.monotonic()
        try:
            problem = one.load(allow_no_sandbox=options.allow_no_sandbox)
            row["load_s"] = round(time.monotonic() - began_s, 2)
            row |= {"policy": problem.policy, **_sizes(problem)}
            with device_memory_told():  # of this process's first look at the GPU, too
                need = _need_bytes(problem) if device == "cuda" else 0
            _say({"need_bytes": need})
            sys.stdin.readline()
            began_s = time.monotonic()
            # No baseline is compiled; the gate sees one draw, normal inputs, other parameters.
            with Verifier(problem, options) as verifier:
                verifier.prepare()
                row["cases"] = [case.distribution for case in verifier.cases]
            row |= {"verdict": "sound", "reference_s": round(time.monotonic() - began_s, 2)}
        except (RunnerError, ContractError) as error:
            row |= _failure(str(error), row["load_s"] is not None)
        _say({"row": row})


def _say(reply: dict[str, Any]) -> None:
    print(json.dumps(reply), flush=True)


def _need_bytes(problem: Problem) -> int:
    # One that is too large needs nothing: it is refused before a byte is made.
    need = max(need_bytes(problem, case) for case in plan_cases(problem, 1, quick=True))
    return int(_KEPT_FACTOR * need) if need <= torch.cuda.mem_get_info()[1] else 0


def _sizes(problem: Problem) -> dict[str, float]:
    """Of one call, in GB, as the file has it."""

    def gigabytes(kind: tuple[Any, ...]) -> float:
        total = 0
        for spec in kind:
            (workload,) = problem.tests
            count = 1
            for size in spec.concrete_shape(workload):
                count *= size
            total += count * getattr(torch, spec.dtype).itemsize
        return round(total / 1e9, 6)

    return {"inputs_gb": gigabytes(problem.inputs), "outputs_gb": gigabytes(problem.outputs)}


def _failure(reason: str, loaded: bool) -> dict[str, Any]:
    """What kind of refusal it is. `answer`: what would pass, where the gate refuses."""
    answer = _ANSWER.search(reason)
    if not loaded:
        verdict = "not loaded"
    elif _TOO_LARGE.search(reason):
        verdict = "too large"
    elif answer is not None:
        verdict = "proves nothing"
    else:
        verdict = "no seed" if _UNSEEDED in reason else "failed"
    return {"verdict": verdict, "answer": answer[1] if answer else None, "reason": reason}


if __name__ == "__main__":
    main(*sys.argv[1:])
