"""A review as numbered points that lose no word."""

from __future__ import annotations

import pytest

from runner.contract import Feedback, InlineComment
from runner.prompts.review_points import (
    MAX_POINTS_OF_TEXT,
    count_points,
    guidance_section,
    points_of_text,
)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("One wish.", ("One wish.",)),
        ("One wish,\nin two lines.", ("One wish,\nin two lines.",)),
        ("First.\n\nSecond.", ("First.", "Second.")),
        ("- first\n- second\n  with more", ("- first", "- second\n  with more")),
        ("1. first\n2) second", ("1. first", "2) second")),
        ("Please:\n\n- first\n- second", ("Please:\n- first", "- second")),
        ("Use this:\n\n```\na\n\n- b\n```\n\nDone.", ("Use this:\n```\na\n\n- b\n```", "Done.")),
        ("- a\n\n  more of a", ("- a\n  more of a",)),
        ("*emphasis* is no item", ("*emphasis* is no item",)),
        (" \n\n", ()),
    ],
)
def test_items_and_paragraphs_are_points(text, points):
    assert points_of_text(text) == points


def test_an_essay_is_one_point():
    text = "\n\n".join(f"Paragraph {number}." for number in range(MAX_POINTS_OF_TEXT + 1))
    assert points_of_text(text) == (text,)


def comment(**fields) -> InlineComment:
    usual = {"path": "kernel.py", "line": 7, "code": "mask = x", "body": "Only here."}
    return InlineComment(**{**usual, **fields})


def test_text_and_comments_are_numbered_through():
    feedback = Feedback(
        author="a", text="First.\n\nSecond.", comments=(comment(), comment(line=None, code=""))
    )
    text = guidance_section(feedback)
    for words in (
        "(4 points)",
        "Point 1, about the kernel as a whole:\n\n```text\nFirst.\n```",
        "Point 2, about the kernel as a whole:",
        "Point 3, on line 7 of kernel.py, about this code:\n\n```python\nmask = x\n```",
        "the reviewer says:\n\n```text\nOnly here.\n```",
        "Point 4, on kernel.py:\n\n```text\nOnly here.\n```",
    ):
        assert words in text
    assert count_points(feedback) == 4


@pytest.mark.parametrize("feedback", [None, Feedback(author="a", text=" \n")])
def test_a_review_without_a_word_has_no_section(feedback):
    assert guidance_section(feedback) == ""
    assert count_points(feedback) == 0


def test_one_point_is_told_in_the_singular():
    assert "(1 point)" in guidance_section(Feedback(author="a", text="Peel the tail."))
