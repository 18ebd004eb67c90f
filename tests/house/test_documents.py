"""The documents say what is there: modules, settings, links and the length of decisions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(ROOT.glob("*.md"))
MAX_DECISION_LINES = 6


def modules_of(package: str) -> list[str]:
    """Names of the modules and subpackages directly under `package`."""
    names = [path.stem for path in (ROOT / package).glob("*.py")]
    names += [path.parent.name for path in (ROOT / package).glob("*/__init__.py")]
    return sorted(name for name in names if not name.startswith("__"))


@pytest.mark.parametrize("package", ["bot", "runner", "runner/verifier", "runner/verifier/gpu"])
def test_every_module_is_on_the_map(package: str) -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()

    missing = [
        name for name in modules_of(package) if f"`{name}`" not in text and f"`{name}/`" not in text
    ]

    assert missing == []


def test_the_map_names_no_module_that_is_gone() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = re.findall(r"^\| (`.*?) \| ", text.split("## Module map")[1], re.MULTILINE)
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`([\w/]+)`", row)}

    assert named - set(modules_of("bot")) - set(modules_of("runner")) - {"templates"} == set()


def test_decisions_are_numbered_and_short() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text().split("## Decisions")[1]
    decisions = [part for part in text.strip().split("\n\n") if part.startswith("**")]

    assert [int(part[2:].split(".")[0]) for part in decisions] == list(range(1, len(decisions) + 1))
    assert max(len(part.splitlines()) for part in decisions) <= MAX_DECISION_LINES


def test_the_readme_names_only_settings_that_exist_and_all_that_are_required() -> None:
    text = (ROOT / "README.md").read_text()
    table = text.split("### 2. The service")[1].split("### 3.")[0]
    named = set(re.findall(rf"{PREFIX}([A-Z_]+)", table))
    required = {
        name.upper() for name, field in Settings.model_fields.items() if field.is_required()
    }

    assert named <= {name.upper() for name in Settings.model_fields}
    assert required <= named


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []
