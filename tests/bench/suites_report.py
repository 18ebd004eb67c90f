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
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started by its path

from runner.errors import RunnerError
from runner.files import write_atomically
from runner.suites import Suite, SuiteProblem, open_suite

LOOK = Path(__file__).with_name("suites_look.py")
Row = dict[str, Any]
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
    room = Room((memory_bytes or 0) - arguments.jobs * _CONTEXT_BYTES)
    due = [one for one in chosen if rows.is_due(one.key)]
    again: list[SuiteProblem] = []
    with (
        closing(Looking(lambda: Looker(given), room)) as looking,
        ThreadPoolExecutor(arguments.jobs) as threads,
    ):
        for done in as_completed([threads.submit(looking.look, one) for one in due]):
            one, row = done.result()
            if ran_out(row):
                again.append(one)
                print(f"{one.key} ran out of memory: again, alone", file=sys.stderr, flush=True)
            else:
                rows.keep(one, row)
    # No other process of ours is left: all the GPU is the problem's.
    with closing(Looking(lambda: Looker(given), Room(memory_bytes or 0))) as looking:
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


class Room:
    """The GPU's memory, handed out to problems that are looked at side by side."""

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = self._free_bytes = max(0, total_bytes)
        self._changed = threading.Condition()

    @contextmanager
    def of(self, need_bytes: int) -> Iterator[None]:
        """As much of it; all of it where that is less."""
        need_bytes = min(need_bytes, self._total_bytes)
        with self._changed:
            self._changed.wait_for(lambda: need_bytes <= self._free_bytes)
            self._free_bytes -= need_bytes
        try:
            yield
        finally:
            with self._changed:
                self._free_bytes += need_bytes
                self._changed.notify_all()


class Looker:
    """One process of `suites_look`."""

    def __init__(self, arguments: tuple[str, str, str, str]) -> None:
        command = [sys.executable, str(LOOK), *arguments]
        self._limit_s = float(arguments[2])
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, line: str) -> Row | None:
        """Its reply; None where it was ended for taking too long, or ended by itself."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        # Its sandboxed workers end with it.
        timer = threading.Timer(self._limit_s, process.kill)
        timer.start()
        try:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            reply = process.stdout.readline()
        except BrokenPipeError:
            reply = ""
        finally:
            timer.cancel()
        return json.loads(reply) if reply.endswith("\n") else None

    def end(self) -> int:
        """Its exit code; negative for the signal that ended it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        return self._process.wait()


class Looking:
    """Threads that look at problems, each with a process of its own until `close`."""

    def __init__(self, start: Callable[[], Looker], room: Room) -> None:
        self._start = start
        self._room = room
        self._lookers: dict[int, Looker] = {}  # by thread

    def close(self) -> None:
        """End every process, when no thread looks any more."""
        while self._lookers:
            self._lookers.popitem()[1].end()

    def look(self, one: SuiteProblem) -> tuple[SuiteProblem, Row]:
        own = threading.get_ident()
        looker = self._lookers.get(own) or self._start()
        self._lookers[own] = looker
        reply = looker.ask(one.key)
        if reply is not None and "need_bytes" in reply:
            with self._room.of(reply["need_bytes"]):
                reply = looker.ask("go")
        if reply is not None:
            return one, reply["row"]
        del self._lookers[own]
        code = looker.end()
        verdict = "time limit" if code == -9 else "failed"
        return one, {"verdict": verdict, "reason": f"its process ended with {code}"}


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
