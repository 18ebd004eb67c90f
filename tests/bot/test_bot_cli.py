"""`python -m bot`: one line that says what to do, exit 2 (1: try later); or all is forwarded."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.standin import StandIn

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("github")) as github:
        yield github


def another_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KERNELWRIGHT_")}
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments], cwd=ROOT, env={**kept, **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def good(standin: StandIn, tmp_path: Path) -> dict[str, str]:
    return {
        "KERNELWRIGHT_APP_ID": str(standin.app_id),
        "KERNELWRIGHT_PRIVATE_KEY": standin.private_key_pem,
        "KERNELWRIGHT_WEBHOOK_SECRET": "s",
        "KERNELWRIGHT_GITHUB_API_URL": standin.base_url,
        "KERNELWRIGHT_STATE_DIR": str(tmp_path),
        "KERNELWRIGHT_PORT": "0",
    }


def assert_one_line(
    result: subprocess.CompletedProcess[str], *words: str, exit_code: int = 2
) -> None:
    assert result.returncode == exit_code, result.stderr
    assert result.stdout == ""
    (line,) = result.stderr.strip().split("\n")
    assert all(word in line for word in words), line


def test_missing_settings() -> None:
    assert_one_line(command("serve"), "KERNELWRIGHT_APP_ID", "KERNELWRIGHT_WEBHOOK_SECRET")


def test_a_key_that_is_none(standin: StandIn, tmp_path: Path) -> None:
    settings = {**good(standin, tmp_path), "KERNELWRIGHT_PRIVATE_KEY": "not a key"}
    assert_one_line(command("serve", **settings), "private key", "PEM")


def test_the_key_of_another_app(standin: StandIn, tmp_path: Path) -> None:
    settings = {**good(standin, tmp_path), "KERNELWRIGHT_PRIVATE_KEY": another_key()}
    assert_one_line(command("serve", **settings), "401", "KERNELWRIGHT_APP_ID")


def test_a_port_in_use(standin: StandIn, tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        settings = {**good(standin, tmp_path), "KERNELWRIGHT_PORT": port}
        assert_one_line(command("serve", **settings), port, "KERNELWRIGHT_PORT")


def test_a_metrics_port_in_use(standin: StandIn, tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        settings = {**good(standin, tmp_path), "KERNELWRIGHT_METRICS_PORT": port}
        assert_one_line(command("serve", **settings), port, "KERNELWRIGHT_METRICS_PORT")


def test_a_state_folder_that_is_a_file(standin: StandIn, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = {**good(standin, tmp_path), "KERNELWRIGHT_STATE_DIR": str(tmp_path / "file")}
    assert_one_line(command("serve", **settings), "KERNELWRIGHT_STATE_DIR", str(tmp_path / "file"))


def test_a_settings_file_that_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    result = command("serve", "--env-file", str(tmp_path / "none.env"))
    assert_one_line(result, "none.env: No such file or directory")
    assert "Errno" not in result.stderr


def test_a_key_file_that_is_not_text_is_said_in_words(standin: StandIn, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\x9f\x00")
    settings = {**good(standin, tmp_path), "KERNELWRIGHT_PRIVATE_KEY": ""}
    result = command("serve", **settings, KERNELWRIGHT_PRIVATE_KEY_FILE=str(tmp_path / "key"))
    assert_one_line(result, "KERNELWRIGHT_PRIVATE_KEY_FILE", "is not UTF-8 text")


def unused_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# systemd is told not to start a service again that exited with 2: these two pass by themselves.
def test_a_database_out_of_reach_is_no_misuse(standin: StandIn, tmp_path: Path) -> None:
    url = f"postgresql://u:secret@127.0.0.1:{unused_port()}/kernelwright"
    result = command("serve", **good(standin, tmp_path), KERNELWRIGHT_DATABASE_URL=url)
    assert result.returncode == 1, result.stderr
    assert "could not start" in result.stderr.strip().split("\n")[-1]
    assert "secret" not in result.stderr


def test_github_out_of_reach(standin: StandIn, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    settings = {**good(standin, tmp_path), "KERNELWRIGHT_GITHUB_API_URL": url}
    result = command("serve", **settings)
    assert_one_line(result, "KERNELWRIGHT_GITHUB_API_URL", exit_code=1)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["frobnicate"], "frobnicate"),
        (["serve", "now"], "now"),
        (["serve", "--env-file"], "--env-file"),
    ],
)
def test_misuse(arguments: list[str], word: str) -> None:
    assert_one_line(command(*arguments), word)


def test_help_names_the_commands() -> None:
    result = command("--help")
    assert result.returncode == 0
    assert all(
        word in result.stdout for word in ("setup", "doctor", "serve", "demo", "generate", "verify")
    )


@pytest.mark.parametrize("name", ["generate", "verify", "bench", "reverify", "sweep", "report"])
def test_the_runners_commands_are_forwarded(name: str) -> None:
    assert f"usage: python -m runner {name}" in command(name, "--help").stdout


def test_runner_commands_are_forwarded_with_their_exit_code(tmp_path: Path) -> None:
    result = command("verify", str(tmp_path / "nowhere"))
    assert result.returncode == 2
    assert "nowhere" in result.stderr


def test_a_stopped_service_exits_at_once(standin: StandIn, tmp_path: Path) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KERNELWRIGHT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "serve"], cwd=ROOT, env={**kept, **good(standin, tmp_path)},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    with process.stderr as lines:
        assert any("listens on http://127.0.0.1:" in line for line in iter(lines.readline, ""))
        process.terminate()
        assert process.wait(timeout=20) == 0


def test_serves_with_the_settings_of_a_file(standin: StandIn, tmp_path: Path) -> None:
    file = tmp_path / "kernelwright.env"
    one_line = {k: v.strip().replace("\n", "\\n") for k, v in good(standin, tmp_path).items()}
    file.write_text("".join(f"{name}={value}\n" for name, value in one_line.items()))
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KERNELWRIGHT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "serve", "--env-file", str(file)], cwd=ROOT, env=kept,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    with process.stderr as lines:
        assert any("listens on http://127.0.0.1:" in line for line in iter(lines.readline, ""))
        process.terminate()
        assert process.wait(timeout=20) == 0
