"""The line in which a model states its change."""

from __future__ import annotations

import pytest

from runner.prompts.change import MAX_CHANGE_CHARS, stated_change

CODE = "```python\nx = 1\n```\n"


@pytest.mark.parametrize(
    ("content", "change"),
    [
        (f"CHANGE: two rows a program\n\n{CODE}", "two rows a program"),
        (f"2. `CHANGE: ` two rows a program\n{CODE}", "two rows a program"),
        (f"**CHANGE:** two rows\n{CODE}", "two rows"),
        (f"**CHANGE**: two rows\n{CODE}", "two rows"),
        (f"### CHANGE: two rows\n{CODE}", "two rows"),
        (f"- CHANGE: `BLOCK_M` is 64\n{CODE}", "BLOCK_M` is 64"),
        (f"CHANGE: first idea\nCHANGE: second idea\n{CODE}", "second idea"),
        (f"CHANGE: real\n{CODE}CHANGE:\n", "real"),
        (f"{CODE}CHANGE: told afterwards", "told afterwards"),
        ("CHANGE: a\x1b[2J\u202eb | c\n", "a [2J b | c"),
        ("```python\n# CHANGE: only in code\n```\n", None),
        ("```python\nCHANGE: in a block that never ends", None),
        ("I change: nothing\n", None),
        ("EXCHANGE: nothing\n", None),
        ("", None),
    ],
)
def test_the_last_statement_outside_of_code_counts(content, change):
    assert stated_change(content) == change


def test_a_long_statement_is_cut():
    found = stated_change("CHANGE: " + "x" * 10_000)
    assert found is not None
    assert len(found) == MAX_CHANGE_CHARS


def test_a_long_answer_is_read_quickly():
    assert stated_change("*" * 200_000 + "\n" + "CHANGE " * 30_000) is None
