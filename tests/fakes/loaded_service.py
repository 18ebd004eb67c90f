"""The real service over HTTP, with the fake GitHub inside, for bursts of deliveries.

Run as a script; settings come from the environment. The first line on stdin names the issues that
there are; each further one is answered with one JSON line: how many comments the fake has on each
thread, and of which issues it has pull requests.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

FAKES = Path(__file__).parent
sys.path.insert(0, str(FAKES.parents[1]))

from bot.__main__ import _listen, _run  # noqa: E402
from bot.app import create_app  # noqa: E402
from bot.permissions import Role  # noqa: E402
from bot.settings import load_settings  # noqa: E402
from runner.contract import KernelRequest  # noqa: E402


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FAKES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class OneAtATime:
    """The fake behind one lock: it is written for one thread, and a burst has many."""

    def __init__(self, fake: Any) -> None:
        self._fake = fake
        self._lock = threading.RLock()

    def repository(self, *_: Any) -> OneAtATime:
        return self

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._fake, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                return method(*args, **kwargs)

        return call


def main() -> None:
    bundles, issues = load("bundle_maker"), json.loads(sys.stdin.readline())

    def succeed(inputs: Mapping[str, str]) -> tuple[list[tuple[str, str | None]], bytes]:
        request = KernelRequest.model_validate_json(inputs["request"])
        return [("completed", "success")], bundles.make_bundle(request)

    fake = load("github_fake").FakeGitHub(on_dispatch=succeed, next_id=10_000_000)
    fake.roles["mona"] = Role(role_name="maintain", permission="write")
    for number in issues["numbers"]:
        fake.open_issue(number, issues["body"], ("kernel-request",))

    def report() -> None:
        for _ in sys.stdin:
            threads = {number: len(said) for number, said in list(fake.threads.items()) if said}
            heads = [pull.head_ref for pull, _, _ in list(fake.pulls.values())]
            print(json.dumps({"comments": threads, "heads": heads}), flush=True)

    threading.Thread(target=report, daemon=True).start()
    settings = load_settings()
    app: Any = OneAtATime(fake)
    _run(create_app(settings, app), _listen(settings.host, settings.port, "KERNELWRIGHT_PORT"))


if __name__ == "__main__":
    main()
