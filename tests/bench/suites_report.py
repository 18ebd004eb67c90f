"""Looks at every problem of a KernelBench checkout: does it load, does its reference run, and would
its own inputs tell right from wrong? Prints the table of BENCHMARKS.md.

    python tests/bench/suites_report.py CHECKOUT [--levels 1,2] [--problems 1/1-20,2/7]
        [--device cpu|cuda] [--limit 120] [--jobs 1]
        [--allow-no-sandbox] [--table] --json OUT

Started again it goes on: what stands in OUT is not looked at again, but for what ran into its time
limit. With `--jobs` several problems share the GPU, as far as their memory allows; one that runs
out of memory beside others is looked at once more at the end, alone: 'too large' is said of a
problem and a GPU, never of its neighbours.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started by its path

from runner.errors import RunnerError
from runner.files import write_atomically
from runner.suites import Suite, SuiteProblem, open_suite
from tests.bench.suites_lookers import Looker, Looking, Room, Row

# What a process keeps of a GPU as long as it lives, its CUDA context: as much on an H200.
_CONTEXT_BYTES = int(1.7 * (1 << 30))
_RAN_OUT = re.compile(r"out of (the GPU's )?memory|memory ran out")
VERDICTS = ("sound", "proves nothing", "no seed", "too large", "not loaded", "failed", "time limit")


def main() -> int:
    parser = make_parser()
    arguments = parser.parse_args()
    try:
        chosen = choose(open_suite(arguments.checkout), arguments.levels, arguments.problems)
        known = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
        if not arguments.table:
            fill(chosen, Rows(arguments.json, known), arguments)
    except RunnerError as error:
        parser.error(str(error))
    print_table([known[one.key] for one in chosen if one.key in known])
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("checkout", type=Path, help="of KernelBench, or another suite's folder")
    parser.add_argument("--levels", type=numbers, default=[1, 2], metavar="1,2")
    parser.add_argument("--problems", type=choice, metavar="1/1-20,2/7", help="these alone")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="the GPU, where there is one")
    parser.add_argument("--limit", type=float, default=120.0, metavar="S", help="for one problem")
    parser.add_argument("--jobs", type=int, default=1, help="problems at once")
    parser.add_argument("--allow-no-sandbox", action="store_true")
    parser.add_argument("--table", action="store_true", help="of what stands in OUT, no more")
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    return parser


def choose(suite: Suite, levels: Sequence[int], keys: set[str] | None) -> list[SuiteProblem]:
    """In the suite's order. Raises RunnerError where that is none."""
    listed = [one for level in levels for one in suite.problems(level)]
    chosen = [one for one in listed if keys is None or one.key in keys]
    if not chosen:
        raise RunnerError("there is no such problem")
    return chosen


def fill(chosen: Sequence[SuiteProblem], rows: Rows, arguments: argparse.Namespace) -> None:
    """Look at what is due. Raises RunnerError where a GPU is asked for and none is there."""
    memory_bytes = gpu_memory_bytes() if arguments.device != "cpu" else None
    if arguments.device == "cuda" and memory_bytes is None:
        raise RunnerError("PyTorch sees no GPU")
    device = "cpu" if memory_bytes is None else "cuda"
    sandbox = "optional" if arguments.allow_no_sandbox else "required"
    given = (str(arguments.checkout), device, str(arguments.limit), sandbox)
    due = [one for one in chosen if rows.is_due(one.key)]
    look_at(due, rows, lambda: Looker(given), memory_bytes or 0, arguments.jobs)


def look_at(
    due: Sequence[SuiteProblem],
    rows: Rows,
    start: Callable[[], Looker],
    memory_bytes: int,
    jobs: int,
) -> None:
    """First side by side, then alone what ran out of memory."""
    again: list[SuiteProblem] = []
    room = Room(memory_bytes - jobs * _CONTEXT_BYTES)
    with closing(Looking(start, room)) as looking, ThreadPoolExecutor(jobs) as threads:
        for done in as_completed([threads.submit(looking.look, one) for one in due]):
            one, row = done.result()
            if ran_out(row):
                again.append(one)
                print(f"{one.key} ran out of memory: again, alone", file=sys.stderr, flush=True)
            else:
                rows.keep(one, row)
    # No other process of ours is left: all the GPU is the problem's.
    with closing(Looking(start, Room(memory_bytes))) as looking:
        for one in again:
            rows.keep(one, {**looking.look(one)[1], "alone": True})


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def choice(text: str) -> set[str]:
    """`1/1-20,2/7` as keys. Raises ValueError for anything else."""
    keys: set[str] = set()
    for part in text.split(","):
        level, _, places = part.partition("/")
        first, _, last = places.partition("-")
        keys |= {f"{int(level)}/{n}" for n in range(int(first), int(last or first) + 1)}
    return keys


def gpu_memory_bytes() -> int | None:
    """Asked in a process of its own: this one needs no share of the GPU."""
    code = "import torch; print(torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout) or None


class Rows:
    """What is known of each problem, on disk after every one."""

    def __init__(self, path: Path, found: dict[str, Row]) -> None:
        self._path = path
        self.found = found

    def is_due(self, key: str) -> bool:
        row = self.found.get(key)
        return row is None or row["verdict"] == "time limit" or ran_out(row)

    def keep(self, one: SuiteProblem, row: Row) -> None:
        self.found[one.key] = {"key": one.key, "title": one.title, "family": one.family, **row}
        write_atomically(self._path, json.dumps(self.found, indent=1) + "\n")
        print(f"{one.key} {row['verdict']}", file=sys.stderr, flush=True)


def ran_out(row: Row) -> bool:
    """Whether it failed for want of memory that others may have held."""
    return "alone" not in row and _RAN_OUT.search(row.get("reason") or "") is not None


def print_table(rows: list[Row]) -> None:
    counts = {name: sum(row["verdict"] == name for row in rows) for name in VERDICTS}
    print(f"\n{len(rows)} problems: " + ", ".join(f"{n} {name}" for name, n in counts.items() if n))
    print(
        "\n| problem | title | inputs, GB | outputs, GB | loads, s | reference, s | verdict |"
        "\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for row in rows:
        sizes = [row.get(name) for name in ("inputs_gb", "outputs_gb", "load_s", "reference_s")]
        cells = ["" if value is None else f"{value:.3g}" for value in sizes]
        print(f"| {row['key']} | {row['title']} | {' | '.join(cells)} | {words(row)} |")


def words(row: Row) -> str:
    """The verdict, and for one that is not sound what is wrong."""
    if row.get("answer"):
        return f"{row['verdict']}: {row['answer']} would pass"
    reason = row.get("reason")
    return f"{row['verdict']}: {reason}".replace("|", "/") if reason else row["verdict"]


if __name__ == "__main__":
    sys.exit(main())
