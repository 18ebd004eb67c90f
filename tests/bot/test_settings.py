"""Settings: all faults in one line, and nothing read twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.settings import load_settings

GOOD = {"APP_ID": "1", "WEBHOOK_SECRET": "s", "PRIVATE_KEY": "pem"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("KERNELWRIGHT_", "DATABASE_URL")):
            monkeypatch.delenv(name)


def put(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"KERNELWRIGHT_{name}", value)


def test_good_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put(monkeypatch, **GOOD, STATE_DIR=str(tmp_path), GITHUB_API_URL="https://ghe.example/api/v3/")
    settings = load_settings()
    assert settings.private_key_pem() == "pem"
    assert settings.github_api_url == "https://ghe.example/api/v3"
    assert settings.system_database_url() == f"sqlite:///{tmp_path / 'kernelwright.sqlite'}"
    assert "pem" not in repr(settings)


def test_tokens_of_jobs_come_from_github_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(monkeypatch, **GOOD)
    settings = load_settings()
    assert settings.oidc_issuer == "https://token.actions.githubusercontent.com"
    assert (settings.oidc_audience, settings.progress_pace_s) == ("kernelwright", 20.0)
    # The issuer is compared with the token's own word, to the letter: no slash at its end.
    put(monkeypatch, OIDC_ISSUER="https://ghe.example/_services/token/")
    assert load_settings().oidc_issuer == "https://ghe.example/_services/token"


@pytest.mark.parametrize(
    ("name", "value"), [("OIDC_ISSUER", "ghe.example"), ("PROGRESS_PACE_S", "0")]
)
def test_a_wrong_setting_of_live_progress_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    put(monkeypatch, **GOOD, **{name: value})
    with pytest.raises(SettingsError, match=f"KERNELWRIGHT_{name}"):
        load_settings()


def test_a_key_on_one_line_gets_its_line_ends_back(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **{**GOOD, "PRIVATE_KEY": r"-----BEGIN-----\nabc\n-----END-----"})
    assert load_settings().private_key_pem() == "-----BEGIN-----\nabc\n-----END-----"


def test_a_database_url_wins_over_the_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD, DATABASE_URL="postgresql://db/kw")
    assert load_settings().system_database_url() == "postgresql://db/kw"


@pytest.mark.parametrize("spelling", ["postgres", "postgresql", "postgresql+psycopg"])
def test_the_platforms_own_database_url_will_do(
    monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    put(monkeypatch, **GOOD)
    monkeypatch.setenv("DATABASE_URL", f"{spelling}://kw:pa%40ss@db/kw")
    settings = load_settings()
    assert settings.system_database_url() == "postgresql://kw:pa%40ss@db/kw"
    assert settings.has_replicas()
    assert {"pa%40ss", "pa@ss"} <= set(settings.secrets())
    assert "pa%40ss" not in repr(settings)


def test_our_own_variable_wins_over_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD, DATABASE_URL="sqlite:////srv/kw.sqlite")
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/other")
    assert load_settings().system_database_url() == "sqlite:////srv/kw.sqlite"
    assert not load_settings().has_replicas()


@pytest.mark.parametrize("variable", ["DATABASE_URL", "KERNELWRIGHT_DATABASE_URL"])
def test_another_kind_of_database_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    put(monkeypatch, **GOOD)
    monkeypatch.setenv(variable, "mysql://db/kw")
    with pytest.raises(SettingsError, match="DATABASE_URL: must start with postgresql://"):
        load_settings()


def test_the_key_may_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("from the file")
    put(monkeypatch, APP_ID="1", WEBHOOK_SECRET="s", PRIVATE_KEY_FILE=str(tmp_path / "key.pem"))
    assert load_settings().private_key_pem() == "from the file"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, ["KERNELWRIGHT_APP_ID", "KERNELWRIGHT_WEBHOOK_SECRET", "KERNELWRIGHT_PRIVATE_KEY"]),
        ({"APP_ID": "1", "WEBHOOK_SECRET": "s"}, ["KERNELWRIGHT_PRIVATE_KEY"]),
        ({**GOOD, "WEBHOOK_SECRET": ""}, ["KERNELWRIGHT_WEBHOOK_SECRET"]),
        ({**GOOD, "PORT": "many"}, ["KERNELWRIGHT_PORT"]),
        ({**GOOD, "PORT": "65536"}, ["KERNELWRIGHT_PORT"]),
        ({**GOOD, "LOG_LEVEL": "LOUD"}, ["KERNELWRIGHT_LOG_LEVEL", "DEBUG"]),
        ({**GOOD, "GITHUB_API_URL": "github.com"}, ["KERNELWRIGHT_GITHUB_API_URL", "https://"]),
        ({**GOOD, "POLL_INTERVAL_S": "0"}, ["KERNELWRIGHT_POLL_INTERVAL_S"]),
        (
            {"APP_ID": "1", "WEBHOOK_SECRET": "s", "PRIVATE_KEY_FILE": "/nowhere/key.pem"},
            ["KERNELWRIGHT_PRIVATE_KEY_FILE", "/nowhere/key.pem"],
        ),
    ],
)
def test_every_fault_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], words: list[str]
) -> None:
    put(monkeypatch, **values)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    line = str(caught.value)
    assert "\n" not in line
    assert all(word in line for word in words)
