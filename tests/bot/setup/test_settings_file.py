"""The settings file: whose it is, when it is there, and that everything reads it alike."""

from __future__ import annotations

import os
import stat
from dataclasses import replace

import pytest

from bot.__main__ import main
from bot.errors import SettingsError
from bot.github_api.conversion import NewApp
from bot.settings import load_settings
from bot.setup.settings_file import check_target, settings_text, write_settings

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE+/=\nabc\n-----END RSA PRIVATE KEY-----\n"
APP = NewApp(
    app_id=7, slug="kw", html_url="https://github.com/apps/kw", owner="octo",
    private_key_pem=PEM, webhook_secret="5ec2e7",
)  # fmt: skip


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KERNELWRIGHT_")]:
        monkeypatch.delenv(name)


def test_nobody_else_can_read_it_at_any_moment(tmp_path, monkeypatch) -> None:
    modes: list[int] = []
    sync = os.fsync

    def look(descriptor: int) -> None:
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    before = os.umask(0)
    try:
        write_settings(tmp_path / "kw.env", "x\n", force=False)
    finally:
        os.umask(before)

    modes += [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()]
    assert modes == [0o600, 0o600]


def test_what_is_written_is_what_is_read(tmp_path, monkeypatch) -> None:
    path = tmp_path / "kw.env"
    write_settings(path, settings_text(APP, "https://ghe.example.com/api/v3"), force=False)

    settings = load_settings(path)

    assert settings.app_id == "7"
    assert settings.webhook_secret.get_secret_value() == "5ec2e7"
    assert settings.private_key_pem() == PEM.rstrip()
    assert settings.github_api_url == "https://ghe.example.com/api/v3"
    # The environment comes first, so that one file serves several machines.
    monkeypatch.setenv("KERNELWRIGHT_APP_ID", "8")
    assert load_settings(path).app_id == "8"


def test_docker_reads_the_same_values(tmp_path, monkeypatch) -> None:
    """Docker's --env-file takes each line as it stands: no quotes, no escapes."""
    lines = settings_text(APP, "https://api.github.com").splitlines()
    for line in lines:
        if not line.startswith("#"):
            monkeypatch.setenv(*line.split("=", 1))

    settings = load_settings()

    assert (settings.app_id, settings.private_key_pem()) == ("7", PEM.rstrip())
    assert not any("GITHUB_API_URL" in line for line in lines)


def test_an_existing_file_stays_unless_it_is_to_go(tmp_path) -> None:
    path = tmp_path / "kw.env"
    path.write_text("mine")
    for refuse in (check_target, lambda p, force: write_settings(p, "new", force=force)):
        with pytest.raises(SettingsError, match="--force"):
            refuse(path, force=False)
    assert path.read_text() == "mine"

    check_target(path, force=True)
    write_settings(path, "new", force=True)

    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["kw.env"]


def test_a_link_is_replaced_and_never_written_through(tmp_path) -> None:
    target, path = tmp_path / "elsewhere", tmp_path / "kw.env"
    path.symlink_to(target)
    with pytest.raises(SettingsError):
        check_target(path, force=False)

    write_settings(path, "new", force=True)

    assert not target.exists()
    assert not path.is_symlink()


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SettingsError, match="No space left"):
        write_settings(tmp_path / "kw.env", "x", force=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("secret", ["a\nKERNELWRIGHT_PORT=1", "a # b", "${HOME}", "'a'", "é"])
def test_a_value_that_a_line_cannot_hold_is_refused(secret: str) -> None:
    with pytest.raises(SettingsError, match="does not fit"):
        settings_text(replace(APP, webhook_secret=secret), "https://api.github.com")


def test_secrets_stay_out_of_what_is_logged() -> None:
    assert "5ec2e7" not in repr(APP)
    assert "MIIE" not in repr(APP)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["setup", "--out", "nowhere/kw.env"], "nowhere"),
        (["setup", "--out", "{tmp}"], "folder"),
        (["setup", "--out", "{tmp}/there"], "--force"),
        (["setup", "--port", "70000"], "70000"),
        (["setup", "--github-url", "github.com"], "https://"),
        (["serve", "--env-file", "nowhere.env"], "nowhere.env"),
    ],
)
def test_misuse_is_told_before_anything_happens(tmp_path, capsys, arguments, word) -> None:
    (tmp_path / "there").write_text("mine")
    try:
        code = main([argument.format(tmp=tmp_path) for argument in arguments])
    except SystemExit as ended:  # argparse
        code = ended.code
    shown = capsys.readouterr()
    assert code == 2
    assert shown.out == ""
    assert word in shown.err
    assert (tmp_path / "there").read_text() == "mine"
