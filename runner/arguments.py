"""The arguments of the command line: what each command takes, and how its values are read.

Owns the parser alone. Runs nothing and reads no environment; `runner.cli` acts on the result.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from pydantic import ValidationError

from runner.contract import Budget
from runner.nightly.worklist import Shard

DEFAULT_TIMEOUT_S = 120.0
DEFAULT_ROUNDS = 100
MAX_ROUNDS = 100_000
MAX_STREAMS = 64  # the contract's limit
MAX_SHARDS = 1_000
_LEG, _COMMIT = re.compile(r"[a-z][a-z0-9-]{0,31}"), re.compile(r"[0-9a-f]{40}")
_BUDGET = re.compile(r"(?P<count>\d+(?:\.\d+)?)(?P<unit>[smh])")
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


def make_parser() -> argparse.ArgumentParser:
    """The parser of `python -m runner`."""
    parser = argparse.ArgumentParser(
        prog="python -m runner",
        description="Write Triton kernels in a closed loop, and judge them.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    generate = commands.add_parser("generate", help="run the loop and write a result bundle")
    verify = commands.add_parser("verify", help="judge one kernel")
    bench = commands.add_parser("bench", help="time one kernel against the problem's baselines")
    reverify = commands.add_parser(
        "reverify", help="judge every merged kernel again, for the night"
    )
    doctor = commands.add_parser("doctor", help="say what this machine can do, and what it lacks")
    report = commands.add_parser("report", help="write a static site of all kernels")
    _add_generate(generate)
    _add_verify(verify)
    _add_bench(bench)
    _add_reverify(reverify)
    _add_report(report)
    doctor.add_argument("--json", action="store_true", help="one JSON object on stdout")
    for command in (verify, bench):
        _add_judging(command, optional=command is verify)
    for command in (generate, verify, bench, reverify):
        command.add_argument(
            "--allow-no-sandbox",
            action="store_true",
            help="run generated code without a sandbox where none can be made (recorded)",
        )
    return parser


def _add_generate(generate: argparse.ArgumentParser) -> None:
    generate.add_argument("problem", nargs="?", type=Path, metavar="PROBLEM_DIR")
    generate.add_argument("--request", type=Path, metavar="FILE", help="a KernelRequest as JSON")
    generate.add_argument(
        "--model",
        metavar="SPEC",
        help="replay:FILE, mailbox:DIR, openai:MODEL or a model name (default: KERNELWRIGHT_MODEL)",
    )
    generate.add_argument(
        "--budget", type=parse_budget_s, metavar="TIME", help="such as 15m, 90s or 1h"
    )
    generate.add_argument(
        "--streams",
        type=_streams,
        metavar="N",
        help="questions under way at a time (default: 8 for an endpoint, 1 for replay and mailbox)",
    )
    generate.add_argument("--attempts", type=_limit, metavar="N", help="at most so many attempts")
    generate.add_argument(
        "--tokens", type=_limit, metavar="N", help="no further question after so many tokens"
    )
    generate.add_argument("--out", type=Path, required=True, metavar="DIR")
    generate.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out; what has been spent and paid for counts",
    )
    generate.add_argument("--generation", type=_whole_number, default=0, metavar="N")


def _add_verify(verify: argparse.ArgumentParser) -> None:
    verify.add_argument(
        "--suite", type=Path, metavar="PATH", help="a suite, such as a checkout of KernelBench"
    )
    verify.add_argument(
        "--problem", dest="number", metavar="N", help="of the suite: a number, 1/23, or a name"
    )
    verify.add_argument("--level", type=_whole_number, metavar="N", help="of the suite")
    _add_device(verify)
    verify.add_argument(
        "--quick",
        action="store_true",
        help="fewer workloads and inputs, and no timing: an answer while you work, not a proof",
    )
    verify.add_argument(
        "--html", type=Path, metavar="FILE", help="write 'why we believe this' as one page"
    )


def _add_bench(bench: argparse.ArgumentParser) -> None:
    bench.add_argument(
        "--rounds",
        type=_rounds,
        default=DEFAULT_ROUNDS,
        metavar="N",
        help="timed calls for each workload (default: %(default)s)",
    )


def _add_reverify(reverify: argparse.ArgumentParser) -> None:
    reverify.add_argument("problems", type=Path, metavar="PROBLEMS_DIR")
    reverify.add_argument("--out", type=Path, required=True, metavar="DIR")
    reverify.add_argument(
        "--shard", type=_shard, default=Shard(), metavar="I/N", help="part I of N (default: 1/1)"
    )
    reverify.add_argument(
        "--time-budget",
        type=parse_budget_s,
        metavar="TIME",
        help="begin no kernel after so long, such as 90m; what is left over is 'not run'",
    )
    reverify.add_argument(
        "--history", type=Path, metavar="PATH", help="earlier nights: a .jsonl file, or a folder"
    )
    reverify.add_argument(
        "--leg",
        type=_leg,
        default="pinned",
        metavar="NAME",
        help="which versions these are: nights are compared within a leg (default: %(default)s)",
    )
    reverify.add_argument("--commit", type=_commit, metavar="SHA", help="recorded in night.json")
    _add_device(reverify)
    _add_timeout(reverify)


def _add_report(report: argparse.ArgumentParser) -> None:
    report.add_argument("problems", type=Path, metavar="PROBLEMS_DIR")
    report.add_argument("--out", type=Path, required=True, metavar="DIR")
    report.add_argument(
        "--history", type=Path, metavar="PATH", help="nights: a .jsonl file, or a folder of them"
    )
    report.add_argument(
        "--repository",
        type=_repository,
        metavar="OWNER/NAME",
        help="for links, where a kernel's own results name none",
    )
    report.add_argument(
        "--github-url",
        type=_web_address,
        default="https://github.com",
        metavar="URL",
        help="where links to issues and pull requests lead (default: %(default)s)",
    )
    report.add_argument(
        "--title", default="Kernels", help="the heading of the index (default: %(default)s)"
    )


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        help="where the kernel runs (default: cuda where PyTorch sees a GPU, else cpu)",
    )


def _add_timeout(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--timeout",
        type=_seconds,
        default=DEFAULT_TIMEOUT_S,
        metavar="S",
        help="seconds for one verdict (default: %(default)g)",
    )


def _add_judging(command: argparse.ArgumentParser, *, optional: bool) -> None:
    """What `verify` and `bench` have in common. `optional`: a suite may take the folder's place."""
    command.add_argument(
        "problem", type=Path, metavar="PROBLEM_DIR", nargs="?" if optional else None
    )
    command.add_argument(
        "--kernel", type=Path, metavar="FILE", help="default: PROBLEM_DIR/kernel.py"
    )
    command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    _add_timeout(command)


def parse_budget_s(text: str) -> float:
    """`15m`, `90s` or `1h` in seconds. Raises argparse.ArgumentTypeError."""
    match = _BUDGET.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 15m, 90s or 1h")
    budget_s = float(match["count"]) * _UNIT_S[match["unit"]]
    try:
        return Budget(wall_clock_s=budget_s).wall_clock_s
    except ValidationError:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0 and at most 6h") from None


def _repository(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not OWNER/NAME")
    return text


def _web_address(text: str) -> str:
    if not re.fullmatch(r"https?://[\w.:-]+(/[\w./-]*)?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not an http or https address")
    return text.rstrip("/")


def _whole_number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _limit(text: str) -> int:
    count = _whole_number(text)
    if not count:
        raise argparse.ArgumentTypeError("0 is no limit to work with")
    return count


def _streams(text: str) -> int:
    count = _whole_number(text)
    if not 1 <= count <= MAX_STREAMS:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 1 to {MAX_STREAMS}")
    return count


def _shard(text: str) -> Shard:
    index, slash, count = text.partition("/")
    if not slash:
        raise argparse.ArgumentTypeError(f"{text!r} is not a part such as 2/4")
    shard = Shard(index=_whole_number(index), count=_whole_number(count))
    if not 1 <= shard.index <= shard.count <= MAX_SHARDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a part from 1/N to N/N")
    return shard


def _leg(text: str) -> str:
    if _LEG.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a name such as pinned")
    return text


def _commit(text: str) -> str:
    if _COMMIT.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a commit of 40 digits")
    return text


def _rounds(text: str) -> int:
    count = _whole_number(text)
    if not 1 <= count <= MAX_ROUNDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 1 to {MAX_ROUNDS}")
    return count


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value
