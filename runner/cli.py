"""The command line: `generate`, `verify`, `bench`, `reverify`, `sweep`, `doctor` and
`report`.

Owns the exit codes and the one line that a failure is told in. Exit codes: `generate` 0 = a bundle
was written; `verify` and `bench` 0 = PASSED, 1 = any other verdict; `reverify` 0 = every kernel is
right and none is slower, 1 = look at the night; `sweep` 0 = every problem's run came to its end,
1 = some did not; `doctor` 0 = generated code can be verified here, 1 = it cannot; `report` 0 = the
site was written; 2 = misuse, or the machine failed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from runner.arguments import make_parser
from runner.contract import Budget, KernelRequest
from runner.errors import INSTALL, ContractError, ProblemError, RunnerError
from runner.one_line import one_line
from runner.problem import SPEC_FILE, Problem, load_problem
from runner.settings import Settings, forget_job_identity, read_settings
from runner.task import Task, task_of

EXIT_OK, EXIT_NOT_PASSED, EXIT_FAILED = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. A failure is told on stderr, without a traceback.

    KERNELWRIGHT_TRACEBACK=1 shows the traceback too.
    """
    show_traceback = False
    try:
        settings = read_settings(os.environ)
        forget_job_identity(os.environ)
        show_traceback = settings.show_traceback
        arguments = make_parser().parse_args(argv)
        return _COMMANDS[arguments.command](arguments, settings)
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
        _tell(_in_words(error))
    except ModuleNotFoundError as error:
        if show_traceback:
            traceback.print_exc()
        _tell(f"{error.name} is not installed: {INSTALL}")
    except Exception as error:  # noqa: BLE001 - the edge: whatever happened, one line says so
        if show_traceback:
            traceback.print_exc()
        _tell(
            f"internal error: {type(error).__name__}: {error} "
            "(KERNELWRIGHT_TRACEBACK=1 shows where)"
        )
    return EXIT_FAILED


def _in_words(error: Exception) -> str:
    """What the error says; one of the system's without Python's number for it."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _tell(message: str) -> None:
    print(f"kernelwright: {one_line(message)}", file=sys.stderr)


def _generate(arguments: argparse.Namespace, settings: Settings) -> int:
    from runner.generate import Order, generate

    order = Order(
        task=_task(arguments),
        model=_model(arguments, settings),
        out=arguments.out,
        allow_no_sandbox=arguments.allow_no_sandbox or settings.allow_no_sandbox,
        resume=arguments.resume,
        prices=settings.prices,
    )
    asyncio.run(generate(order, settings, sys.stderr))
    return EXIT_OK


def _verify(arguments: argparse.Namespace, settings: Settings) -> int:
    from runner.verify_command import Verification, run_verification

    problem, kernel = _problem_and_kernel(arguments, settings)
    passed = run_verification(
        Verification(
            problem=problem,
            kernel=kernel,
            device=arguments.device,
            quick=arguments.quick,
            as_json=arguments.json,
            html=arguments.html,
            timeout_s=arguments.timeout,
            allow_no_sandbox=arguments.allow_no_sandbox or settings.allow_no_sandbox,
        )
    )
    return EXIT_OK if passed else EXIT_NOT_PASSED


def _problem_and_kernel(arguments: argparse.Namespace, settings: Settings) -> tuple[Problem, Path]:
    """From a folder, or one problem of a suite."""
    if (arguments.problem is None) == (arguments.suite is None):
        raise RunnerError("name either a PROBLEM_DIR or --suite PATH")
    if arguments.suite is None:
        if arguments.number is not None or arguments.level is not None:
            raise RunnerError("--problem and --level go with --suite")
        folder: Path = arguments.problem
        return load_problem(folder), arguments.kernel or folder / "kernel.py"
    if arguments.number is None or arguments.kernel is None:
        raise RunnerError("--suite needs --problem N and --kernel FILE")
    from runner.suites import open_suite

    found = open_suite(arguments.suite).problem(arguments.number, arguments.level)
    allowed = arguments.allow_no_sandbox or settings.allow_no_sandbox
    return found.load(allow_no_sandbox=allowed), arguments.kernel


def _bench(arguments: argparse.Namespace, settings: Settings) -> int:
    from runner.bench_command import Benchmark, run_benchmark

    passed = run_benchmark(
        Benchmark(
            problem=load_problem(arguments.problem),
            kernel=arguments.kernel or arguments.problem / "kernel.py",
            rounds=arguments.rounds,
            as_json=arguments.json,
            timeout_s=arguments.timeout,
            allow_no_sandbox=arguments.allow_no_sandbox or settings.allow_no_sandbox,
        )
    )
    return EXIT_OK if passed else EXIT_NOT_PASSED


def _reverify(arguments: argparse.Namespace, settings: Settings) -> int:
    from runner.environment import choose_device
    from runner.nightly.command import run_reverify
    from runner.nightly.night import Plan
    from runner.nightly.one_kernel import Bench
    from runner.verifier.options import VerifyOptions

    # A folder without kernels is a good night: one that was mistyped must not become one.
    if (arguments.problems / SPEC_FILE).exists():
        raise RunnerError(f"{arguments.problems} is one problem: name the folder above it")
    plan = Plan(
        problems=arguments.problems,
        out=arguments.out,
        shard=arguments.shard,
        leg=arguments.leg,
        commit=arguments.commit,
        time_budget_s=arguments.time_budget,
        history=arguments.history,
    )
    options = VerifyOptions(
        device=choose_device(arguments.device),
        timeout_s=arguments.timeout,
        allow_no_sandbox=arguments.allow_no_sandbox or settings.allow_no_sandbox,
    )
    bench = Bench(
        device=arguments.device,  # of a cluster's node: not what this machine has
        timeout_s=options.timeout_s,
        allow_no_sandbox=options.allow_no_sandbox,
    )
    passed = run_reverify(plan, options, arguments.executor, bench)
    return EXIT_OK if passed else EXIT_NOT_PASSED


def _sweep(arguments: argparse.Namespace, settings: Settings) -> int:
    from runner.sweep.command import SweepOrder, run_sweep

    order = SweepOrder(
        suite=arguments.suite,
        model=_model(arguments, settings),
        budget=_budget(arguments, Budget()),
        out=arguments.out,
        executor=arguments.executor,
        level=arguments.level,
        numbers=arguments.problems,
        allow_no_sandbox=arguments.allow_no_sandbox or settings.allow_no_sandbox,
    )
    return EXIT_OK if run_sweep(order, settings, os.environ, sys.stderr) else EXIT_NOT_PASSED


def _doctor(arguments: argparse.Namespace, _: Settings) -> int:
    from runner.doctor import run_doctor

    return EXIT_OK if run_doctor(as_json=arguments.json) else EXIT_NOT_PASSED


def _report(arguments: argparse.Namespace, _: Settings) -> int:
    from runner.site import SiteOrder, build_site
    from runner.site.links import Forge

    order = SiteOrder(
        problems=arguments.problems,
        out=arguments.out,
        history=arguments.history,
        forge=Forge(url=arguments.github_url, repository=arguments.repository),
        title=arguments.title,
    )
    print(build_site(order))
    return EXIT_OK


_COMMANDS: dict[str, Callable[[argparse.Namespace, Settings], int]] = {
    "generate": _generate,
    "verify": _verify,
    "bench": _bench,
    "reverify": _reverify,
    "sweep": _sweep,
    "doctor": _doctor,
    "report": _report,
}


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
    return replace(task, budget=_budget(arguments, task.budget))


def _model(arguments: argparse.Namespace, settings: Settings) -> str:
    spec: str | None = arguments.model or settings.model
    if spec is None:
        raise RunnerError("no model is named: give --model SPEC or set KERNELWRIGHT_MODEL")
    return spec


def _budget(arguments: argparse.Namespace, usual: Budget) -> Budget:
    asked = {
        "wall_clock_s": arguments.budget,
        "max_attempts": arguments.attempts,
        "max_tokens": arguments.tokens,
        "streams": arguments.streams,
    }
    update = {name: value for name, value in asked.items() if value is not None}
    return usual.model_copy(update=update)


def _read_request(path: Path) -> KernelRequest:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ContractError(f"{path} is not UTF-8 text") from error
    except OSError as error:
        raise RunnerError(f"cannot read {path}: {error.strerror}") from error
    try:
        return KernelRequest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ContractError(f"{path}: {where + ': ' if where else ''}{first['msg']}") from error
