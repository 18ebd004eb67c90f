"""The attention kernels beside FlexAttention and PyTorch's own, as a Markdown table.

    python tests/bench/attention_report.py [problems/SLUG ...]

Reads what the final verdict of each run measured, from its folder's `results.json`: by default all
folders of the family 'attention' that were timed against `flex_attention`.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started by its path

from runner.contract import BaselineTiming, WorkloadTiming
from runner.problem import load_problem
from runner.results import read_results

PROBLEMS = Path(__file__).resolve().parents[2] / "problems"
FLEX, SDPA = "flex_attention", "sdpa"
HEAD = (
    "| problem | workload | kernel, ms | FlexAttention, ms | against FlexAttention | "
    "against SDPA |\n" + 6 * "| --- " + "|"
)


def timings_of(folder: Path) -> tuple[WorkloadTiming, ...]:
    """What the final verdict measured; nothing where there is none, or none on a GPU."""
    results = folder / "results.json"
    if not results.exists():
        return ()
    evaluation = read_results(results.read_bytes()).evaluation
    if evaluation is None or evaluation.performance is None:
        return ()
    return evaluation.performance.timings


def attention_folders(problems: Path) -> list[Path]:
    """Folders of the family that were timed against FlexAttention, by name."""
    return [
        folder
        for folder in sorted(path for path in problems.iterdir() if path.is_dir())
        if load_problem(folder).family == "attention"
        and any(_baseline(timing, FLEX) for timing in timings_of(folder))
    ]


def table(folders: Iterable[Path]) -> str:
    """One row a workload, and the geometric means over all rows below."""
    rows: list[str] = []
    ratios: dict[str, dict[str, list[float]]] = {}
    for folder in folders:
        name = folder.name
        for timing in timings_of(folder):
            flex, sdpa = _baseline(timing, FLEX), _baseline(timing, SDPA)
            for baseline in (flex, sdpa):
                if baseline is not None:
                    found = ratios.setdefault(baseline.name, {}).setdefault(folder.name, [])
                    found.append(baseline.ratio)
            flex_ms = "" if flex is None else f"{flex.median_ms:.4g}"
            cells = [name, str(timing.workload), f"{timing.median_ms:.4g}", flex_ms]
            rows.append("| " + " | ".join([*cells, _ratio(flex), _ratio(sdpa)]) + " |")
            name = ""
    lines = [HEAD, *rows]
    for baseline_name, by_problem in ratios.items():
        means = {name: _geometric_mean(found) for name, found in by_problem.items()}
        every = [ratio for found in by_problem.values() for ratio in found]
        said = ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())
        lines.append(
            f"\nGeometric means against `{baseline_name}`: {said}; "
            f"all {len(every)} rows {_geometric_mean(every):.2f}, "
            f"from {min(every):.2f} to {max(every):.2f}."
        )
    return "\n".join(lines)


def _baseline(timing: WorkloadTiming, name: str) -> BaselineTiming | None:
    return next((row for row in timing.baselines if row.name == name), None)


def _ratio(baseline: BaselineTiming | None) -> str:
    if baseline is None:
        return ""
    return f"{baseline.ratio:.3f} [{baseline.ratio_low:.3f}, {baseline.ratio_high:.3f}]"


def _geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Attention kernels beside FlexAttention.")
    parser.add_argument("folders", nargs="*", type=Path)
    folders = parser.parse_args(arguments).folders or attention_folders(PROBLEMS)
    print(table(folders))
    return 0


if __name__ == "__main__":
    sys.exit(main())
