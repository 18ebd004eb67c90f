"""From nothing to an installation that the doctor calls complete, with the commands themselves."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from contextlib import closing
from html import unescape
from pathlib import Path

import httpx

from bot.doctor.shipped import FILES, shipped
from bot.standin import StandIn
from bot.standin.state import Runner

ROOT = Path(__file__).parents[3]


def started(*arguments: str, until: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
    """A command of ours, and the line in which it said `until`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KERNELWRIGHT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", *arguments], cwd=ROOT, env={**kept, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if until in line:
            return process, line
    raise AssertionError(process.communicate()[0])


def create_the_app(page_url: str) -> None:
    """What a person does: two buttons."""
    with httpx.Client(trust_env=False, timeout=20, follow_redirects=True) as browser:
        seen = browser.get(page_url)
        for _ in range(2):
            action = unescape(re.findall(r'method="post" action="([^"]*)"', seen.text)[-1])
            fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', seen.text)
            fields += re.findall(r'<input name="(name)" value="([^"]*)"', seen.text)
            data = {name: unescape(value) for name, value in fields}
            seen = browser.post(seen.url.join(action), data=data)
        assert "is ready" in seen.text


def test_setup_serve_and_doctor_fit_together(tmp_path: Path) -> None:
    file, state = tmp_path / "kernelwright.env", tmp_path / "state"
    state.mkdir()
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with StandIn(tmp_path / "github") as github:
        setup, line = started(
            "setup", "--url", f"http://127.0.0.1:{port}", "--out", str(file),
            "--github-url", github.base_url, "--github-api-url", github.base_url, until="Open ",
        )  # fmt: skip
        create_the_app(line.split()[1])
        assert setup.wait(timeout=20) == 0

        files = {path: shipped(path).encode() for path in FILES}
        repository = github.create_repository("octo/kernels", files=files)
        repository.owner.kind = "Organization"
        repository.owner.runners.append(Runner(id=1, name="h200", labels=("gpu",)))
        ada = github.person("ada", repository, "admin")
        ada.request("POST", "/labels", {"name": "kernel-request", "color": "0b6b4a"})

        service, _ = started(
            "serve", "--env-file", str(file), until="listens on",
            KERNELWRIGHT_PORT=port, KERNELWRIGHT_STATE_DIR=str(state),
        )  # fmt: skip
        try:
            done = subprocess.run(
                [sys.executable, "-m", "bot", "doctor", "--json", "--env-file", str(file)],
                cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
                env={**os.environ, "KERNELWRIGHT_SECONDS_BETWEEN_REQUESTS": "0"},
            )  # fmt: skip
        finally:
            service.terminate()
            service.wait(timeout=20)
    assert done.returncode == 0, done.stdout
    states = {each["name"]: each["state"] for each in json.loads(done.stdout)["findings"]}
    # The service took a ping that was signed with the secret of the file.
    assert states["reachable"] == "ok"
    # A fresh App asks for no right to see runners.
    assert states["runner"] == "unseen"
    assert "failed" not in states.values()
    assert github.violations == []
    assert github.advisories == []
