"""`kernelwright setup` on the command line: arguments, the life of the page, the last words.

Owns the exit code. Everything that can be refused is refused before a browser is asked for.
"""

from __future__ import annotations

import argparse
import secrets
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from bot.errors import SettingsError
from bot.github_api.conversion import convert_manifest
from bot.setup.flow import Flow
from bot.setup.manifest import DEFAULT_NAME
from bot.setup.next_steps import next_steps
from bot.setup.settings_file import check_target
from bot.setup.web import Site, create_site

_GITHUB_URL = "https://github.com"
_API_URL = "https://api.github.com"
_PATIENCE_S = 3600.0  # GitHub's code is good for an hour
DONE, NOT_DONE, MISUSE = 0, 1, 2


def run(argv: Sequence[str]) -> int:
    """Serve the page until the App is there, or nobody comes any more."""
    options = _parser().parse_args(argv)
    out = options.out.absolute()
    try:
        check_target(out, force=options.force)
        listener = _listen(options.port)
    except SettingsError as error:
        _say(f"kernelwright: {error}")
        return MISUSE
    flow = Flow(
        out=out,
        force=options.force,
        api_url=options.github_api_url or _api_url(options.github_url),
        convert=lambda code: convert_manifest(flow.api_url, code),
    )
    _serve(options, flow, listener)
    return _end(flow)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kernelwright setup",
        description="Create the GitHub App in your browser, and write its settings file.",
    )
    parser.add_argument("--url", default="", help="where GitHub will reach the service")
    parser.add_argument("--name", default=DEFAULT_NAME, help="the App's name (%(default)s)")
    parser.add_argument("--organization", default="", help="who will own the App (you)")
    parser.add_argument(
        "--out", type=Path, default=Path("kernelwright.env"), help="settings file (%(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the settings file")
    parser.add_argument(
        "--port", type=_port, default=0, help="of the page, on this machine alone (any free one)"
    )
    parser.add_argument(
        "--github-url", type=_web_address, default=_GITHUB_URL, help="another GitHub (%(default)s)"
    )
    parser.add_argument(
        "--github-api-url", type=_web_address, help="its REST API (GITHUB_URL/api/v3)"
    )
    return parser


def _serve(options: argparse.Namespace, flow: Flow, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    base_url = f"http://127.0.0.1:{port}/{secrets.token_urlsafe(16)}/"

    def stop() -> None:
        server.should_exit = True

    site = Site(
        flow=flow,
        github_url=options.github_url,
        base_url=base_url,
        given={"url": options.url, "name": options.name, "organization": options.organization},
        on_end=stop,
    )
    config = uvicorn.Config(
        create_site(site), log_level="warning", access_log=False, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    _say(f"Open {base_url} in a browser on this machine.")
    _say(f"Your browser is elsewhere? ssh -L {port}:127.0.0.1:{port} <this machine>, then open it.")
    patience = threading.Timer(_PATIENCE_S, stop)
    patience.daemon = True
    patience.start()
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        # uvicorn has ended in order, and raises the signal again.
        pass
    finally:
        patience.cancel()


def _end(flow: Flow) -> int:
    if flow.app is None:
        _say(f"kernelwright: {flow.failure or 'no App was created, and nothing was written'}")
        return NOT_DONE
    print(f"{flow.app.slug}: {flow.app.html_url} (owner {flow.app.owner})")
    print(f"settings: {flow.out}")
    print("\nWhat is left:")
    for number, step in enumerate(next_steps(flow.app, flow.out), 1):
        print(f"  {number}. {step.text}:\n     {step.link or step.command}")
    return DONE


def _listen(port: int) -> socket.socket:
    """A bound socket of the loopback interface. Raises SettingsError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(16)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"cannot listen on 127.0.0.1 port {port} ({error.strerror}): choose another --port"
        ) from error
    return listener


def _api_url(github_url: str) -> str:
    return _API_URL if github_url == _GITHUB_URL else f"{github_url}/api/v3"


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)


def _web_address(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise argparse.ArgumentTypeError(f"{text!r} must start with https:// or http://")
    return text.rstrip("/")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
