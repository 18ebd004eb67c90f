"""The documents say what is there: modules, settings, links and the length of decisions."""

from __future__ import annotations

import re
import subprocess
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


def test_nobody_is_told_to_install_our_name_from_an_index() -> None:
    # No index has it: the command fails, until a stranger registers the name, and then it does not.
    texts = [*DOCUMENTS, *(ROOT / "bot").rglob("*.py"), *(ROOT / "runner").glob("*.py")]
    texts += (ROOT / "runner" / "executors").glob("*.py")

    assert [
        path.name for path in texts if re.search(r"install\s+'?kernelwright\b", path.read_text())
    ] == []


def anchors(document: Path) -> set[str]:
    """Where a link into `document` can lead, as GitHub names its headings."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_a_heading_lead_to_one(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#\s]*)#([^)\s]+)\)", document.read_text())

    assert [
        (file, heading)
        for file, heading in links
        if heading not in anchors(document.parent / file if file else document)
    ] == []


@pytest.mark.parametrize("name", ["kernelwright.env", "out", "night", "site", "sweep"])
def test_what_the_documents_commands_leave_behind_is_not_committed(name: str) -> None:
    # The first of them is the App's private key.
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", "-q", name], cwd=ROOT, check=False
    )

    assert ignored.returncode == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []
