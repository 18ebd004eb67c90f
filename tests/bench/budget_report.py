"""How large a multiplier of the error budget would a kernel, or PyTorch's own, need? As Markdown.

    python tests/bench/budget_report.py PROBLEM_DIR [--kernel FILE] [--baselines sdpa,…]
        [--distributions "large,constant rows"] [--workload B=1,H=4,S=1024,D=64] [--seeds 2]

For whoever sets `tolerance.multiplier`: the figures are the smallest ones with which the outputs,
in the spec's order, would have passed. Truth and rule are the verifier's own. Runs everything in
this process: for code that you trust. On a GPU where there is one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started by its path

import torch

from runner.contract import Workload
from runner.errors import ContractError, RunnerError
from runner.problem import Problem, load_problem
from runner.testing import (
    as_tuple,
    baselines,
    device,
    expected_outputs,
    inputs_on,
    load_entry,
)
from runner.verifier.comparison import compare
from runner.verifier.inputs import DISTRIBUTIONS, Case
from runner.verifier.numerics import Expected

LARGEST, SMALLEST = 2.0**40, 0.01
Entry = Callable[..., Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="PROBLEM_DIR")
    parser.add_argument("--kernel", metavar="FILE", help="beside problem.toml, or a path")
    parser.add_argument("--baselines", type=names, help="all but the eager one, if nobody says")
    parser.add_argument("--distributions", type=names, default=list(DISTRIBUTIONS))
    parser.add_argument("--workload", type=workload, help="default: the spec's first benchmark")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 1 on")
    arguments = parser.parse_args()
    try:
        problem = load_problem(arguments.folder)
    except (RunnerError, ContractError) as error:
        parser.error(str(error))
    chosen = arguments.baselines or [name for name in problem.baselines if name != "eager"]
    unknown = {*chosen} - {*problem.baselines} | {*arguments.distributions} - {*DISTRIBUTIONS}
    if unknown:
        parser.error(f"no baseline and no distribution: {', '.join(sorted(unknown))}")
    # The kernel first: without a GPU it decides how Triton is imported, and a baseline imports it.
    kernel = load_entry(arguments.folder, arguments.kernel) if arguments.kernel else None
    rows = baselines(arguments.folder)
    entries: dict[str, Entry] = {name: rows[name] for name in chosen}
    if kernel is not None:
        entries["kernel"] = kernel
    size = arguments.workload or problem.benchmarks[0]
    outputs = ", ".join(spec.name for spec in problem.outputs)
    print(f"{problem.name}, {size}, on {device_name()}: multiplier needed for {outputs}\n")
    print(f"| inputs | seed | {' | '.join(entries)} |\n| --- | --- |{' --- |' * len(entries)}")
    for distribution in arguments.distributions:
        for seed in range(1, arguments.seeds + 1):
            case = Case(workload=size, distribution=distribution, seed=seed)
            cells = needs(problem, case, rows["eager"], entries)
            print(f"| {distribution} | {seed} | {' | '.join(cells)} |", flush=True)
    return 0


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def workload(text: str) -> Workload:
    pairs = [part.split("=") for part in text.split(",")]
    return Workload(axes={axis.strip(): int(size) for axis, size in pairs})


def device_name() -> str:
    return torch.cuda.get_device_name() if device().type == "cuda" else "a CPU"


def needs(problem: Problem, case: Case, reference: Entry, entries: dict[str, Entry]) -> list[str]:
    """A cell for each entry: the multipliers that its outputs need."""
    inputs = inputs_on(problem, case, device())
    expected = expected_outputs(problem, case, inputs, reference, device())
    return [
        ", ".join(
            need(found, one)
            for found, one in zip(as_tuple(call(*inputs.values())), expected, strict=True)
        )
        for call in entries.values()
    ]


def need(found: torch.Tensor, expected: Expected) -> str:
    """The smallest multiplier that would do, to 2 %; 'none' where no number would."""
    low, high = 0.0, 1.0
    while not compare(found, expected, high).passed:
        low, high = high, 2 * high
        if high > LARGEST:
            return "none"
    while high - low > 0.02 * high and high > SMALLEST:
        middle = (low + high) / 2
        low, high = (low, middle) if compare(found, expected, middle).passed else (middle, high)
    return f"{high:.2g}" if high > SMALLEST else "0"


if __name__ == "__main__":
    sys.exit(main())
