"""The arguments of the command line: what each command takes.

Owns the parser alone. Runs nothing and reads no environment; `runner.cli` acts on the result.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from runner import argument_values as values
from runner.nightly.worklist import Shard
from runner.one_line import one_line

DEFAULT_TIMEOUT_S = 120.0
DEFAULT_ROUNDS = 100
EXECUTORS = ("local", "ray")
_COMMANDS = {
    "generate": "run the loop and write a result bundle",
    "verify": "judge one kernel",
    "bench": "time one kernel against the problem's baselines",
    "reverify": "judge every merged kernel again, for the night",
    "sweep": "run every problem of a suite, and report on all",
    "doctor": "say what this machine can do, and what it lacks",
    "report": "write a static site of all kernels",
}
_MISUSE = 2
_PROBLEM_DIR = "the folder with problem.toml and reference.py"
_PROBLEMS_DIR = "the folder whose folders are the kernels, such as problems"
_MODELS = (
    "deepseek, nim or vllm (deepseek:MODEL …), openai:MODEL or a bare model name, mailbox:DIR, "
    "replay:FILE, or record:FILE: before any of them (default: KERNELWRIGHT_MODEL)"
)


class _OneLineParser(argparse.ArgumentParser):
    """Tells misuse as every other failure is told: in one line, and where there is help."""

    def error(self, message: str) -> NoReturn:
        self.exit(_MISUSE, f"kernelwright: {one_line(message)}; try {self.prog} --help\n")


def make_parser() -> argparse.ArgumentParser:
    """The parser of `python -m runner`."""
    parser = _OneLineParser(
        prog="python -m runner",
        description="Write Triton kernels in a closed loop, and judge them.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    generate, verify, bench, reverify, sweep, doctor, report = (
        commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        for name, text in _COMMANDS.items()
    )
    _add_generate(generate)
    _add_verify(verify)
    _add_bench(bench)
    _add_reverify(reverify)
    _add_sweep(sweep)
    _add_report(report)
    doctor.add_argument("--json", action="store_true", help="one JSON object on stdout")
    for command in (verify, bench):
        _add_judging(command, optional=command is verify)
    for command in (generate, verify, bench, reverify, sweep):
        command.add_argument(
            "--allow-no-sandbox",
            action="store_true",
            help="run generated code without a sandbox where none can be made (recorded)",
        )
    return parser


def _add_generate(generate: argparse.ArgumentParser) -> None:
    generate.add_argument("problem", nargs="?", type=Path, metavar="PROBLEM_DIR", help=_PROBLEM_DIR)
    generate.add_argument("--request", type=Path, metavar="FILE", help="a KernelRequest as JSON")
    _add_loop(generate)
    _add_out(generate, "a new folder for the run")
    generate.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out; what has been spent and paid for counts",
    )
    generate.add_argument(
        "--generation",
        type=values.whole_number,
        default=0,
        metavar="N",
        help="which round of the request this is (default: %(default)s, the first)",
    )


def _add_loop(command: argparse.ArgumentParser) -> None:
    """The model and the budget of a run."""
    command.add_argument(
        "--model",
        metavar="SPEC",
        help=_MODELS,
    )
    command.add_argument(
        "--budget",
        type=values.budget_s,
        metavar="TIME",
        help="such as 15m, 90s or 1h30m (default: the request's, or 15m)",
    )
    command.add_argument(
        "--streams",
        type=values.streams,
        metavar="N",
        help="questions under way at a time (default: 8 for an endpoint, 1 for replay and mailbox)",
    )
    command.add_argument(
        "--attempts", type=values.limit, metavar="N", help="at most so many attempts"
    )
    command.add_argument(
        "--tokens", type=values.limit, metavar="N", help="no further question after so many tokens"
    )


def _add_sweep(sweep: argparse.ArgumentParser) -> None:
    sweep.add_argument(
        "suite",
        type=Path,
        metavar="SUITE",
        help="a checkout of KernelBench, a FlashInfer-Bench trace set, or a folder of problems",
    )
    _add_loop(sweep)
    sweep.add_argument(
        "--problems",
        type=values.number_ranges,
        metavar="N-M",
        help="numbers within the suite or the level, such as 1-20 or 3,7,10-12 (default: all)",
    )
    sweep.add_argument(
        "--level", type=values.whole_number, metavar="N", help="problems of this level alone"
    )
    _add_out(sweep, "a folder for the sweep; one that holds it already is gone on with")
    sweep.add_argument(
        "--executor",
        choices=EXECUTORS,
        default="local",
        help="local: this machine's GPUs; ray: the cluster at RAY_ADDRESS (default: %(default)s)",
    )


def _add_verify(verify: argparse.ArgumentParser) -> None:
    verify.add_argument(
        "--suite", type=Path, metavar="PATH", help="a suite, such as a checkout of KernelBench"
    )
    verify.add_argument(
        "--problem", dest="number", metavar="N", help="of the suite: a number, 1/23, or a name"
    )
    verify.add_argument("--level", type=values.whole_number, metavar="N", help="of the suite")
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
        type=values.rounds,
        default=DEFAULT_ROUNDS,
        metavar="N",
        help="timed calls for each workload, at least (default: %(default)s)",
    )


def _add_reverify(reverify: argparse.ArgumentParser) -> None:
    reverify.add_argument("problems", type=Path, metavar="PROBLEMS_DIR", help=_PROBLEMS_DIR)
    _add_out(reverify, "a folder for what the night says")
    reverify.add_argument(
        "--shard",
        type=values.shard,
        default=Shard(),
        metavar="I/N",
        help="part I of N (default: 1/1)",
    )
    reverify.add_argument(
        "--time-budget",
        type=values.budget_s,
        metavar="TIME",
        help="begin no kernel after so long, such as 90m; what is left over is 'not run'",
    )
    reverify.add_argument(
        "--history", type=Path, metavar="PATH", help="earlier nights: a .jsonl file, or a folder"
    )
    reverify.add_argument(
        "--leg",
        type=values.leg,
        default="pinned",
        metavar="NAME",
        help="which versions these are: nights are compared within a leg (default: %(default)s)",
    )
    reverify.add_argument(
        "--commit", type=values.commit, metavar="SHA", help="recorded in night.json"
    )
    reverify.add_argument(
        "--executor",
        choices=EXECUTORS,
        help="spread the kernels over this machine's GPUs or a Ray cluster "
        "(default: one after the other, in this process)",
    )
    _add_device(reverify)
    _add_timeout(reverify)


def _add_report(report: argparse.ArgumentParser) -> None:
    report.add_argument("problems", type=Path, metavar="PROBLEMS_DIR", help=_PROBLEMS_DIR)
    _add_out(report, "a new folder for the site, or one that holds a site")
    report.add_argument(
        "--history", type=Path, metavar="PATH", help="nights: a .jsonl file, or a folder of them"
    )
    report.add_argument(
        "--repository",
        type=values.repository,
        metavar="OWNER/NAME",
        help="for links, where a kernel's own results name none",
    )
    report.add_argument(
        "--github-url",
        type=values.web_address,
        default="https://github.com",
        metavar="URL",
        help="where links to issues and pull requests lead (default: %(default)s)",
    )
    report.add_argument(
        "--title", default="Kernels", help="the heading of the index (default: %(default)s)"
    )


def _add_out(command: argparse.ArgumentParser, meaning: str) -> None:
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help=meaning)


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        help="where the kernel runs (default: cuda where PyTorch sees a GPU, else cpu)",
    )


def _add_timeout(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--timeout",
        type=values.seconds,
        default=DEFAULT_TIMEOUT_S,
        metavar="S",
        help="seconds for one verdict, and for one run of the reference (default: %(default)g)",
    )


def _add_judging(command: argparse.ArgumentParser, *, optional: bool) -> None:
    """What `verify` and `bench` have in common. `optional`: a suite may take the folder's place."""
    command.add_argument(
        "problem",
        type=Path,
        metavar="PROBLEM_DIR",
        nargs="?" if optional else None,
        help=_PROBLEM_DIR,
    )
    command.add_argument(
        "--kernel", type=Path, metavar="FILE", help="default: PROBLEM_DIR/kernel.py"
    )
    command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    _add_timeout(command)
