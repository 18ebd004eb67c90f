"""The whole manifest flow as a person goes through it, in headless Chromium."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from bot.settings import load_settings
from bot.setup.manifest import EVENTS, PERMISSIONS
from tests.fakes.browser import DRIVER, Browser, open_browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(DRIVER is None, reason="needs Debian's chromium and chromium-driver"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as window:
        yield window


def test_a_person_creates_the_app(browser, setup_command, github, monkeypatch) -> None:
    running = setup_command()
    browser.open(running.url)
    browser.fill("input[name=url]", "http://127.0.0.1:8080")
    browser.fill("input[name=organization]", "octo-org")
    browser.click("#check")
    assert "http://127.0.0.1:8080/webhook" in browser.text("dl")
    browser.click("#create")

    assert "Create GitHub App for octo-org" in browser.text("h1")
    browser.fill("input[name=name]", "Octo Kernels")
    browser.click("#create")

    assert browser.text("h1") == "The App octo-kernels is ready"
    assert str(running.out) in browser.text("header")
    code, printed = running.end()
    assert code == 0
    assert f"{github.base_url}/apps/octo-kernels/installations/new" in printed
    assert running.out.stat().st_mode & 0o777 == 0o600
    for name in [name for name in os.environ if name.startswith("KERNELWRIGHT_")]:
        monkeypatch.delenv(name)
    settings = load_settings(running.out)
    assert settings.app_id == str(github.app_id)
    assert settings.private_key_pem().strip() == github.private_key_pem.strip()
    assert settings.webhook_secret.get_secret_value() == github.webhook_secret
    assert settings.github_api_url == github.base_url
    registered = github.hub.registration
    assert registered.permissions == {name: level for name, (level, _) in PERMISSIONS.items()}
    assert tuple(registered.events) == EVENTS
    assert github.webhook_url == "http://127.0.0.1:8080/webhook"
    assert github.violations == []
    assert github.advisories == []


def test_what_was_typed_in_wrongly_is_said_beside_it(browser, setup_command) -> None:
    running = setup_command("--name", "kernels")
    browser.open(running.url)
    browser.fill("input[name=url]", "http://kernels.example.com")
    browser.click("#check")

    assert "Use https" in browser.text("label:has(input[name=url]) .bad")
    assert browser.value("input[name=url]") == "http://kernels.example.com"
    assert browser.value("input[name=name]") == "kernels"
    assert 'id="create"' not in browser.source


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_desktop(browser, setup_command, scheme: str) -> None:
    running = setup_command("--url", "http://127.0.0.1:8080")
    browser.prefer(scheme)
    browser.open(running.url)

    red, green, blue = (
        int(part.strip(" rgba()"))
        for part in browser.style("body", "background-color").split(",")[:3]
    )
    # The style sheet is let through by its digest, so a background is proof that it was.
    assert (min(red, green, blue) > 230) if scheme == "light" else (max(red, green, blue) < 40)
    assert browser.text("#create") == "Create it on GitHub"
