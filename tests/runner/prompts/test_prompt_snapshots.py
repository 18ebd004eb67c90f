"""The prompts as files that people read: `python -m tests.fakes.prompt_cases` writes them anew."""

from __future__ import annotations

import pytest

from tests.fakes.prompt_cases import FOLDER, files

FILES = files()


def test_every_kind_of_prompt_has_its_file_and_no_other():
    assert {path.name for path in FOLDER.iterdir()} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_the_prompt_is_what_its_file_says(name):
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert FILES[name] == written, "changed on purpose? python -m tests.fakes.prompt_cases"
