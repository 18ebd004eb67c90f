"""One verdict of KernelBench's own harness, for `against_kernelbench`: a process of its own.

    python tests/bench/kernelbench_harness.py CHECKOUT PROBLEM_FILE KERNEL_FILE

The harness is imported from the checkout, and its trials are those that its own scripts default to.
Prints one JSON line: what it said, and the seconds of the call alone, without any import.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

# `num_correct_trials` and `num_perf_trials` of its scripts run_and_check and eval_from_generations.
CORRECT_TRIALS = 5
PERF_TRIALS = 100
# What it imports for asking models and fetching problems, and no verdict uses.
_FOR_MODELS = ("datasets", "dotenv", "litellm", "openai", "requests", "tqdm")


class Absent(ModuleType):
    """A package that is not installed: what is imported from it exists, and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None


def main(checkout: str, problem_file: str, kernel_file: str) -> None:
    stand_ins = [name for name in _FOR_MODELS if importlib.util.find_spec(name) is None]
    for name in stand_ins:
        sys.modules[name] = Absent(name)
        sys.modules[name].__spec__ = ModuleSpec(name, None)
    reply: dict[str, Any] = {"stand_ins": stand_ins}
    # It talks on stdout.
    with contextlib.redirect_stdout(sys.stderr):
        began_s = time.monotonic()
        sys.path.insert(0, str(Path(checkout) / "src"))
        import torch
        from kernelbench.eval import eval_kernel_against_ref

        if not torch.cuda.is_available():
            reply["failure"] = "KernelBench's harness needs a GPU"
        else:
            torch.cuda.init()
            torch.zeros(1, device="cuda")
            reply["import_s"] = time.monotonic() - began_s
            began_s = time.monotonic()
            result = eval_kernel_against_ref(
                Path(problem_file).read_text(),
                Path(kernel_file).read_text(),
                measure_performance=True,
                num_correct_trials=CORRECT_TRIALS,
                num_perf_trials=PERF_TRIALS,
                device=torch.device("cuda:0"),
                backend="triton",
            )
            reply["verdict_s"] = time.monotonic() - began_s
            reply |= _said(result)
    print(json.dumps(reply), flush=True)


def _said(result: Any) -> dict[str, Any]:
    if result is None:
        return {"passed": False, "why": "no result"}
    why = {name: str(value)[:300] for name, value in result.metadata.items() if name != "device"}
    # Its times are of CUDA events: milliseconds.
    times = {"kernel_ms": result.runtime, "eager_ms": result.ref_runtime}
    return {"passed": bool(result.compiled and result.correctness), "why": why, **times}


if __name__ == "__main__":
    main(*sys.argv[1:])
