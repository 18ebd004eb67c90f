"""How many verdicts a minute the local executor reaches with one GPU of a machine and with two.

    python tests/bench/two_gpus.py [--gpus 1,2] [--problems 12] [--rows 4096] [--columns 1024]
        [--allow-no-sandbox] [--json FILE]

Sweeps small problems with recorded answers, every fourth of them wrong at first, and reads the
journals. A GPU's verdicts a minute are those between the starts of its first and its last run, so
that each run is counted with all that comes before the next. The time of the whole sweep, with the
start of its workers and their wait for one another at its end, stands beside. `--gpus 0`: without
any, to try this out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started by its path

from runner.journal import AttemptFinished, FinalVerdict, RunStarted, parse_event
from runner.judges.gpus import visible_gpus
from tests.fakes.sweep_suite import LEVEL_1, LEVEL_2, Recorded, write

ROOT = Path(__file__).resolve().parents[2]
# By turns, so that few of them are of both levels.
NAMES = [name for pair in zip(LEVEL_1, LEVEL_2, strict=False) for name in pair]
LEAST_RATIO = 1.9
SWEEP = (sys.executable, "-m", "runner", "sweep", "--budget", "60m")
# A line of the sweep: the key, the title, where.
BEGUN = re.compile(r"^(\S+) .*: begun on (.+?)(?: again .*)?$", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gpus", type=counts, default=[1, 2], metavar="1,2", help="in this order")
    parser.add_argument("--problems", type=int, default=12, help=f"at most {len(NAMES)}")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=1024)
    parser.add_argument("--allow-no-sandbox", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    uuids = [gpu.uuid for gpu in visible_gpus(os.environ)]
    if max(arguments.gpus) > len(uuids):
        parser.error(f"this machine shows {len(uuids)} GPUs")
    more = ["--allow-no-sandbox"] if arguments.allow_no_sandbox else []
    found = []
    print("| GPUs | problems | verdicts | verdicts a minute | whole sweep, s |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as scratch:
        names = NAMES[: arguments.problems]
        size = {"rows": arguments.rows, "columns": arguments.columns}
        suite = write(Path(scratch), names, **size)
        first = write(Path(scratch) / "first", names[:1], **size)
        # What the first sweep reads from disk, the second finds in memory: neither is to be it.
        sweep(first, Path(scratch) / "first" / "out", uuids[: max(arguments.gpus)], more)
        for number, count in enumerate(arguments.gpus):
            out = Path(scratch) / f"out{number}"
            whole_s, said = sweep(suite, out, uuids[:count], more)
            row = {"gpus": count, "problems": len(names), **rate(out, said), "whole_s": whole_s}
            found.append(row)
            print(
                f"| {count} | {len(names)} | {row['verdicts']} | {row['a_minute']:.2f} | "
                f"{whole_s:.0f} |",
                flush=True,
            )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if compare(found) else 1


def counts(text: str) -> list[int]:
    return [int(count) for count in text.split(",")]


def sweep(
    suite: Recorded, out: Path, uuids: Sequence[str], more: Sequence[str]
) -> tuple[float, str]:
    """Its seconds, and what it said. Ends this program where anything stays unsolved."""
    began_s = time.monotonic()
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [*SWEEP, str(suite.suite), "--model", suite.model, "--out", str(out), *more],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ",".join(uuids), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"the sweep ended with {done.returncode}:\n{done.stderr[-4000:]}")
    rows = json.loads((out / "sweep.json").read_text())["problems"]
    unsolved = [row["key"] for row in rows if row["state"] != "solved"]
    if unsolved:
        sys.exit(f"not solved: {', '.join(unsolved)}\n{done.stderr[-4000:]}")
    return time.monotonic() - began_s, done.stderr


def rate(out: Path, said: str) -> dict[str, Any]:
    """Verdicts, final ones among them, and their rate: the sum of the places' own."""
    places: dict[str, list[Run]] = {}
    for key, place in BEGUN.findall(said):
        journal = out / "runs" / key.replace("/", "-") / "journal.jsonl"
        places.setdefault(place, []).append(read_run(journal))
    each = {}
    for place, runs in places.items():
        *counted, last = sorted(runs, key=lambda run: run.start_s)
        if not counted:
            sys.exit(f"{place} had one problem only: name more with --problems")
        minutes = (last.start_s - counted[0].start_s) / 60
        each[place] = sum(run.verdicts for run in counted) / minutes
    verdicts = sum(run.verdicts for runs in places.values() for run in runs)
    return {"verdicts": verdicts, "a_minute": sum(each.values()), "each": each}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """When a run began, by the machine's clock, and how many verdicts it brought."""

    start_s: float
    verdicts: int


def read_run(journal: Path) -> Run:
    events = [parse_event(line) for line in journal.read_text().splitlines()]
    started = next(event for event in events if isinstance(event, RunStarted))
    return Run(
        start_s=datetime.fromisoformat(started.time).timestamp(),
        verdicts=sum(isinstance(event, AttemptFinished | FinalVerdict) for event in events),
    )


def compare(found: Sequence[dict[str, Any]]) -> bool:
    """Prints the ratio of two GPUs to one, the best of each; True where it is enough."""
    best = {row["gpus"]: 0.0 for row in found}
    for row in found:
        best[row["gpus"]] = max(best[row["gpus"]], row["a_minute"])
    if not best.get(1) or not best.get(2):
        return True  # nothing to compare
    ratio = best[2] / best[1]
    print(f"\nTwo GPUs: {ratio:.2f} times the verdicts a minute of one; asked for: {LEAST_RATIO}")
    return ratio >= LEAST_RATIO


if __name__ == "__main__":
    sys.exit(main())
