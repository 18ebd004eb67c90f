"""The site in headless Chromium, from files: sorting, filtering, readouts, both themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.contract import Check, Outcome
from runner.problem import parse_problem
from runner.site import SiteOrder, build_site
from runner.site.links import Forge
from tests.fakes.browser import DRIVER, Browser, open_browser
from tests.fakes.kernel_folders import (
    SOURCE,
    failed_night,
    idle_night,
    judged,
    night,
    results_of,
    write_folder,
    write_history,
)
from tests.fakes.measured import baseline, performance, timing

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(DRIVER is None, reason="needs Debian's chromium and chromium-driver"),
]
WILD = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
NAMES = "[...document.querySelectorAll('tbody tr:not([hidden]) .name')].map((a) => a.textContent)"
TIP = "document.querySelector('.tip').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as window:
        yield window


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three kernels that were timed, one that was not, and one whose every text is hostile."""
    root = tmp_path_factory.mktemp("site")
    problems = root / "problems"
    spec = Path(__file__).parents[3] / "problems" / "rms_norm"
    problem = parse_problem(
        (spec / "problem.toml").read_text(),
        (spec / "reference.py").read_text(),
        (spec / "baseline.py").read_text(),
    )
    for name, ratio in (("beta", 2.5), ("alpha", 9.0), ("gamma", 10.5)):
        timed = performance(timing(baselines=(baseline("compile", ratio, spread=0.01),)))
        write_folder(problems / name, problem, results_of(problem, judged(performance=timed)))
    write_folder(problems / "not_timed", problem, None)
    source = SOURCE + f"# {WILD}\n"
    verdict = judged(source, summary=WILD, checks=(Check(name=WILD, detail=WILD),))
    hostile = results_of(problem, verdict, model=WILD, outcome=Outcome.CORRECT)
    write_folder(problems / WILD.replace("/", "\\"), problem, hostile, source)
    for folder in problems.iterdir():
        (folder / "baseline.py").write_text((spec / "baseline.py").read_text())
    nights = [
        *(night(day, kernel="alpha", ratio=1 + day / 10) for day in (1, 2, 4, 5)),
        failed_night(6, summary=WILD).model_copy(update={"kernel": "alpha"}),
        idle_night(7).model_copy(update={"kernel": "alpha"}),
    ]
    order = SiteOrder(
        problems=problems,
        out=root / "out",
        history=write_history(root / "history.jsonl", nights),
        forge=Forge(url="https://github.com", repository=None),
        title="Kernels",
    )
    build_site(order)
    return root / "out"


@pytest.fixture
def index(browser: Browser, site: Path) -> Browser:
    """The index, freshly opened; afterwards nothing was complained of, and nothing left."""
    yield from _watched(browser, site / "index.html")


@pytest.fixture
def alpha(browser: Browser, site: Path) -> Browser:
    """The page of a kernel with a history, watched in the same way."""
    yield from _watched(browser, site / "kernels" / "alpha.html")


def _watched(browser: Browser, page: Path) -> Iterator[Browser]:
    browser.complaints(), browser.requested()
    browser.resize(1280)
    browser.open(page.as_uri())
    yield browser
    assert browser.complaints() == []
    asked = browser.requested()
    assert page.as_uri() in asked
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
    assert browser.ask("document.title") != "owned"


def test_a_click_sorts_by_figures_with_the_unmeasured_last(index) -> None:
    button = "th:nth-child(4) button"
    index.point_at(button, press=True)
    falling = index.ask(NAMES)
    # By their digits 2.5 would come before 10.5. The kernel that failed has no ratio any more.
    assert [name[:5] for name in falling[:3]] == ["gamma", "beta", "<img "]
    assert set(falling[3:]) == {"alpha", "not_timed"}
    assert index.ask("document.querySelector('th:nth-child(4)').ariaSort") == "descending"
    index.point_at(button, press=True)
    rising = index.ask(NAMES)
    assert rising == [*falling[2::-1], *falling[3:]]
    assert index.ask("document.querySelectorAll('th[aria-sort]').length") == 1


def test_the_keyboard_sorts_too(index) -> None:
    index.ask("document.querySelector('th button').focus()")
    index.press("Enter")
    names = index.ask(NAMES)
    assert names == sorted(names, key=str.lower)
    index.press("Enter")
    assert index.ask(NAMES) == names[::-1]
    assert index.ask("document.activeElement.textContent") == "kernel"


def test_the_filter_leaves_what_fits_and_counts_it(index) -> None:
    index.fill(".filter input", "gam norm")
    assert index.ask(NAMES) == ["gamma"]
    assert index.text(".filter output") == "1 of 5"
    index.fill(".filter input", "not_timed")
    assert index.ask(NAMES) == ["not_timed"]


def test_a_verdict_can_be_chosen(index) -> None:
    index.ask("document.querySelector('.filter select').focus()")
    index.press("f", "a", "i")
    assert index.ask(NAMES) == ["alpha"]


def test_the_pointer_shows_the_figures_of_a_night(alpha) -> None:
    assert not alpha.ask("document.querySelector('.tip').checkVisibility()")
    alpha.point_at(".night:nth-child(3 of .night) rect")
    told = alpha.ask(TIP)
    assert told.startswith("2026-03-04: passed\n")
    assert "compile 1.400 [1.372, 1.428]" in told
    assert alpha.ask("document.querySelector('.tip').checkVisibility()")
    assert alpha.ask("document.querySelectorAll('.plot title').length") == 0


def test_arrow_keys_go_from_night_to_night(alpha) -> None:
    alpha.ask("document.querySelector('svg.plot').focus()")
    assert alpha.ask(TIP).startswith("2026-03-07: not run")
    alpha.press("ArrowLeft")
    assert WILD in alpha.ask(TIP)
    alpha.press("Home", "ArrowLeft", "ArrowRight")
    said = alpha.ask("document.querySelector('svg.plot').getAttribute('aria-valuetext')")
    assert said.startswith("2026-03-02: passed")
    alpha.press("Escape")
    assert not alpha.ask("document.querySelector('.tip').checkVisibility()")


def test_another_figure_can_be_charted(alpha) -> None:
    shown = "document.querySelector('.charts figure:not([hidden]) figcaption').textContent"
    assert alpha.ask(shown) == "Times as fast as torch.compile"
    alpha.ask("document.querySelector('.charts select').focus()")
    alpha.press("M")
    assert alpha.ask(shown) == "Median time of a call, ms"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_both_themes_fit_any_width(browser, site, scheme: str, width: int) -> None:
    browser.prefer(scheme)
    browser.resize(width)
    for page in ("index.html", "kernels/alpha.html"):
        browser.open((site / page).as_uri())
        colour = browser.style("body", "background-color").split("(")[1].split(",")[:3]
        shades = [int(part.strip(" )")) for part in colour]
        assert (min(shades) > 230) if scheme == "light" else (max(shades) < 40)
        assert browser.ask("document.documentElement.scrollWidth") <= width
    browser.prefer("light")


def test_a_hostile_kernel_is_a_name_like_any_other(index) -> None:
    last = "Array.from(document.querySelectorAll('.name')).find((a) => a.textContent.includes('<'))"
    assert index.ask(f"{last}.textContent").startswith("<img src=x")
    index.open(index.ask(f"{last}.href"))
    assert index.text("h1").startswith("<img src=x")
    assert index.ask("document.querySelectorAll('img').length") == 0


def test_everything_is_there_without_scripts(browser, site) -> None:
    browser.scripts(allowed=False)
    try:
        browser.open((site / "kernels" / "alpha.html").as_uri())
        source = browser.source
        assert "compile 1.400 [1.372, 1.428]" in source
        assert browser.text("figure:nth-of-type(2) figcaption") != ""
        assert browser.text("details summary").startswith("As a table (6)")
        browser.open((site / "index.html").as_uri())
        assert browser.text("th:nth-child(4)") == "vs torch.compile [95 %]"
    finally:
        browser.scripts(allowed=True)


def test_markup_that_got_in_after_all_would_not_run(browser, site) -> None:
    browser.open((site / "index.html").as_uri())
    browser.complaints()
    browser.ask(f'document.body.insertAdjacentHTML("beforeend", "{WILD}")')
    assert browser.ask("document.querySelectorAll('body > img').length") == 1
    assert browser.ask("document.title") == "Kernels"
    assert any("Content Security Policy" in line for line in browser.complaints())
