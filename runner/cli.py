"""The command line: `generate` and `verify`.

Owns the arguments, the exit codes and the one line that a failure is told in. Exit codes:
`generate` 0 = a bundle was written; `verify` 0 = PASSED, 1 = any other verdict; 2 = misuse, or the
machine failed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from runner.contract import Budget, KernelRequest
from runner.errors import ContractError, ProblemError, RunnerError
from runner.one_line import one_line
from runner.problem import load_problem
from runner.settings import Settings, read_settings
from runner.task import Task, task_of

EXIT_OK, EXIT_NOT_PASSED, EXIT_FAILED = 0, 1, 2
_BUDGET = re.compile(r"(?P<count>\d+(?:\.\d+)?)(?P<unit>[smh])")
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. A failure is told on stderr, without a traceback.

    KERNELWRIGHT_TRACEBACK=1 shows the traceback too.
    """
    show_traceback = False
    try:
        settings = read_settings(os.environ)
        show_traceback = settings.show_traceback
        arguments = _parser().parse_args(argv)
        if arguments.command == "generate":
            return _generate(arguments, settings)
        return _verify(arguments, settings)
    except SystemExit as exit_:  # argparse has said what is wrong
        return exit_.code if isinstance(exit_.code, int) else EXIT_FAILED
    except KeyboardInterrupt:
        _tell("interrupted")
    except ProblemError as error:
        for fault in error.faults:
            _tell(str(fault))
    except (RunnerError, ContractError, OSError) as error:
        if show_traceback:
            traceback.print_exc()
        _tell(str(error))
    except ModuleNotFoundError as error:
        if show_traceback:
            traceback.print_exc()
        _tell(f"{error.name} is not installed: pip install 'kernelwright[runner]'")
    except Exception as error:  # noqa: BLE001 - the edge: whatever happened, one line says so
        if show_traceback:
            traceback.print_exc()
        _tell(
            f"internal error: {type(error).__name__}: {error} "
            "(KERNELWRIGHT_TRACEBACK=1 shows where)"
        )
    return EXIT_FAILED


def _tell(message: str) -> None:
    print(f"kernelwright: {one_line(message)}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runner",
        description="Write Triton kernels in a closed loop, and judge them.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    generate = commands.add_parser("generate", help="run the loop and write a result bundle")
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
    generate.add_argument("--out", type=Path, required=True, metavar="DIR")
    generate.add_argument("--generation", type=_whole_number, default=0, metavar="N")

    verify = commands.add_parser("verify", help="judge one kernel")
    verify.add_argument("problem", type=Path, metavar="PROBLEM_DIR")
    verify.add_argument(
        "--kernel", type=Path, metavar="FILE", help="default: PROBLEM_DIR/kernel.py"
    )
    verify.add_argument("--json", action="store_true", help="one JSON object on stdout")
    verify.add_argument("--timeout", type=_seconds, default=120.0, metavar="S")

    for command in (generate, verify):
        command.add_argument(
            "--allow-no-sandbox",
            action="store_true",
            help="run generated code without a sandbox where none can be made (recorded)",
        )
    return parser


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


def _whole_number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def _generate(arguments: argparse.Namespace, settings: Settings) -> int:
    from runner.generate import Order, generate

    spec = arguments.model or settings.model
    if spec is None:
        raise RunnerError("no model is named: give --model SPEC or set KERNELWRIGHT_MODEL")
    order = Order(
        task=_task(arguments),
        model=spec,
        out=arguments.out,
        allow_no_sandbox=arguments.allow_no_sandbox or settings.allow_no_sandbox,
    )
    asyncio.run(generate(order, settings, sys.stderr))
    return EXIT_OK


def _verify(arguments: argparse.Namespace, settings: Settings) -> int:
    from runner.verify_command import Verification, run_verification

    passed = run_verification(
        Verification(
            problem=load_problem(arguments.problem),
            kernel=arguments.kernel or arguments.problem / "kernel.py",
            as_json=arguments.json,
            timeout_s=arguments.timeout,
            allow_no_sandbox=arguments.allow_no_sandbox or settings.allow_no_sandbox,
        )
    )
    return EXIT_OK if passed else EXIT_NOT_PASSED


def _task(arguments: argparse.Namespace) -> Task:
    """The run from a folder or from a request; a budget on the command line wins."""
    if (arguments.problem is None) == (arguments.request is None):
        raise RunnerError("name either a PROBLEM_DIR or --request FILE")
    if arguments.request is not None:
        task = task_of(_read_request(arguments.request))
        if arguments.generation:
            raise RunnerError("--generation goes with a PROBLEM_DIR: a request has its own")
    else:
        task = Task(problem=load_problem(arguments.problem), generation=arguments.generation)
    if task.budget.streams != 1:
        raise RunnerError(f"{task.budget.streams} model streams are asked for; this runs one")
    if arguments.budget is None:
        return task
    budget = task.budget.model_copy(update={"wall_clock_s": arguments.budget})
    return replace(task, budget=budget)


def _read_request(path: Path) -> KernelRequest:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ContractError(f"{path} is not UTF-8 text") from error
    try:
        return KernelRequest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ContractError(f"{path}: {where + ': ' if where else ''}{first['msg']}") from error
