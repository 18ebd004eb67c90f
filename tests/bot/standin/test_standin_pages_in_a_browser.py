"""The pages in headless Chromium: a pull request can be read on a telephone too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.standin import Person, Repository, StandIn
from tests.fakes.browser import DRIVER, Browser, open_browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(DRIVER is None, reason="needs Debian's chromium and chromium-driver"),
]
PHONE = 390
TEXT = "Words that wrap.\n\n```\n" + "x" * 300 + "\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as window:
        yield window


def test_a_comment_has_most_of_a_narrow_window(
    browser: Browser, standin: StandIn, repository: Repository, ada: Person
) -> None:
    number = ada.open_issue("A kernel", TEXT)
    browser.resize(PHONE)
    browser.open(f"{standin.base_url}/octo/kernels/issues/{number}")

    assert browser.ask("document.documentElement.scrollWidth") <= PHONE
    assert browser.ask("document.querySelector('.box').offsetWidth") >= 0.7 * PHONE
