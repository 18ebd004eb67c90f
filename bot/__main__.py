"""`python -m bot` and the console command `kernelwright`.

Owns the command line: `setup`, `doctor`, `serve` and `demo` run here, everything else is the
runner's and is handed to it as it is. Exit 2 with one line where the operator must change
something, 1 where the service could not start but may a minute later.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bot.errors import GitHubUnavailable, SettingsError

if TYPE_CHECKING:
    from fastapi import FastAPI

RUNNER_COMMANDS = ("generate", "verify", "bench", "reverify", "sweep", "report")
USAGE = """\
usage: kernelwright COMMAND [ARGUMENTS]

  setup      create the GitHub App in your browser and write a settings file
  doctor     check an installation, and say what to do about each fault
  serve      run the GitHub service (settings: KERNELWRIGHT_… in the environment, or --env-file)
  demo       run the whole path on this machine, with a stand-in for GitHub
  generate   run the loop on one problem (python -m runner generate --help)
  verify     judge one kernel (python -m runner verify --help)
  bench      time one kernel against the problem's baselines (python -m runner bench --help)
  reverify   judge every merged kernel again (python -m runner reverify --help)
  sweep      run every problem of a suite (python -m runner sweep --help)
  report     write a static site of all kernels (python -m runner report --help)
"""
# systemd is told (README.md) to start the service again after any exit code but MISUSE.
UNAVAILABLE, MISUSE = 1, 2
_SWITCH_INTERVAL_S = 0.0005


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(USAGE)
        return 0 if arguments else MISUSE
    command, rest = arguments[0], arguments[1:]
    if command in RUNNER_COMMANDS:
        # -m finds the runner as this process found the bot; its exit code becomes ours.
        os.execv(sys.executable, [sys.executable, "-m", "runner", command, *rest])  # noqa: S606
    commands: dict[str, Callable[[list[str]], int]] = {
        "setup": _setup,
        "doctor": _doctor,
        "serve": _serve,
        "demo": _demo,
    }
    if command not in commands:
        return _fail(f"unknown command {command!r}; try kernelwright --help")
    return commands[command](rest)


def _demo(arguments: list[str]) -> int:
    # Lazy: the demo brings the stand-in GitHub, which the service never loads.
    from bot.demo import main as demo

    return demo(arguments)


def _setup(arguments: list[str]) -> int:
    from bot.setup import main as setup

    return setup(arguments)


def _doctor(arguments: list[str]) -> int:
    from bot.doctor import main as doctor

    return doctor(arguments)


def _serve(arguments: list[str]) -> int:
    options = _serve_parser().parse_args(arguments)
    # Lazy, and in this order: a mistake in the settings is told before the service is loaded.
    from bot.settings import load_settings

    try:
        settings = load_settings(options.env_file)
        from bot.github_api.client import PyGithubApp
        from bot.metrics import Metrics

        metrics = Metrics()
        github_app = PyGithubApp(settings, metrics.github_answered)
        github_app.login()
        listener = _listen(settings.host, settings.port, "KERNELWRIGHT_PORT")
        if settings.metrics_port is not None:
            _listen(
                settings.metrics_host, settings.metrics_port, "KERNELWRIGHT_METRICS_PORT"
            ).close()
        if not settings.database_url:
            _need_folder(settings.state_dir)
    except SettingsError as error:
        return _fail(str(error))
    except GitHubUnavailable as error:
        return _fail(
            f"GitHub cannot be reached at KERNELWRIGHT_GITHUB_API_URL: {error.message}",
            UNAVAILABLE,
        )
    from bot import logs
    from bot.app import create_app

    logs.configure(settings.log_level, settings.secrets())
    try:
        _run(create_app(settings, github_app, metrics), listener)
    except SystemExit:  # uvicorn's, where the start failed, which it has logged
        return _fail("the service could not start: the log line above says why", UNAVAILABLE)
    # Requests under way wait in their own threads, for hours if need be, and go on at the next
    # start from what the database holds. Joining those threads would hang the exit.
    logging.shutdown()
    os._exit(0)


class _OneLineParser(argparse.ArgumentParser):
    """Tells misuse as everything else here does: in one line."""

    def error(self, message: str) -> NoReturn:
        sys.exit(_fail(f"{message}; try {self.prog} --help"))


def _serve_parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(prog="kernelwright serve", description="Run the service.")
    parser.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help="settings, as `kernelwright setup` writes them; the environment comes first",
    )
    return parser


def _run(app: FastAPI, listener: socket.socket) -> None:
    import uvicorn

    # Many threads share the interpreter with the one that answers GitHub; with the usual 5 ms each
    # of its turns comes that much later, several times in one answer.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # Its loggers hand on to ours, which alone writes.
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on")
    server = uvicorn.Server(config)

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn puts these back when it ends and raises the signal again: being stopped is no failure.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"kernelwright listens on http://{shown}:{port}", file=sys.stderr, flush=True)
    server.run(sockets=[listener])


def _need_folder(folder: Path) -> None:
    """Make the folder of the database. Raises SettingsError where nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SettingsError(
            f"cannot write to {folder} ({error.strerror}): "
            "set KERNELWRIGHT_STATE_DIR to a folder that can be written to"
        ) from error


def _listen(host: str, port: int, variable: str) -> socket.socket:
    """A bound socket. Raises SettingsError, with `variable`, where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named so that asyncio knows TCP and turns Nagle's algorithm off.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"cannot listen on {host} port {port} ({error.strerror}): "
            f"set {variable} to a free port or stop what uses it"
        ) from error
    return listener


def _fail(line: str, exit_code: int = MISUSE) -> int:
    print(f"kernelwright: {' '.join(line.split())}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
