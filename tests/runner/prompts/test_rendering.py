"""Slots, fences, and what of a text may be seen."""

from __future__ import annotations

import re

import pytest

from runner.contract import Candidate
from runner.extract import code_blocks
from runner.feedback import MAX_DETAIL_CHARS, describe_evaluation
from runner.prompts import excerpt, fenced, render_prompt, visible
from runner.prompts.code_lines import MAX_PLACES, named_lines
from runner.prompts.fences import lines_of


def test_slots_in_values_are_not_filled():
    text = render_prompt("guidance", count="1 point", points="$count ${points} $$")
    assert "$count ${points} $$" in text


def test_a_missing_slot_is_an_error():
    with pytest.raises(KeyError):
        render_prompt("guidance", count="1 point")


def test_empty_slots_leave_no_hole():
    text = render_prompt("guidance", count="1 point", points="")
    assert not re.search(r"\n{3,}", text)
    assert text.endswith("contract.\n")


def test_comments_for_editors_are_left_out():
    assert "<!--" not in render_prompt("answer", thinking="a", steps="b")


@pytest.mark.parametrize("text", ["", "a", "``", "```", "x\n``````\ny", "`" * 50, "a\r```\rb"])
def test_a_fence_outruns_what_it_holds(text):
    lines = fenced(text).splitlines()
    assert set(lines[-1]) == {"`"}
    assert lines[-1] not in text
    assert lines[0] == lines[-1] + "text"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext é 漢", "plain\n\ttext é 漢"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("nul \x00, escape \x1b[2J", "nul \\x00, escape \\x1b[2J"),
        ("\u202eright to left\u202c", "\\u202eright to left\\u202c"),
        ("zero\u200bwidth, \U000e0041 tag", "zero\\u200bwidth, \\U000e0041 tag"),
        ("wide\u00a0blank\u2028line", "wide blank line"),
        ("half a pair \ud800", "half a pair \\ud800"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text, shown):
    assert visible(text) == shown
    assert shown in fenced(text)


def test_long_details_keep_head_and_tail(fakes):
    detail = "HEAD" + "x" * 50_000 + "TAIL"
    evaluation = fakes.evaluation("COMPILE_ERROR", Candidate.of("a", 1), detail=detail)
    text = describe_evaluation(evaluation)
    assert "HEAD" in text
    assert "TAIL" in text
    assert len(text) < MAX_DETAIL_CHARS + 1_000
    assert excerpt("short", 10) == "short"


SOURCE = "".join(f"line {number}\n" for number in range(1, 41))


@pytest.mark.parametrize(
    ("finding", "shown", "hidden"),
    [
        ("kernel.py:7: no", (">    7 | line 7", "     5 | line 5", "     9 |"), ("10 |", " 4 |")),
        ("kernel.py:1: no", (">    1 | line 1", "     3 |"), ("line 4",)),
        ("kernel.py:2 and kernel.py:30", ("  ...", ">    2 |", ">   30 |"), ("line 15",)),
        ("kernel.py:3 kernel.py:4", (">    3 |", ">    4 |"), ("...",)),
    ],
)
def test_the_lines_that_a_finding_names_are_shown(finding, shown, hidden):
    text = named_lines(finding, SOURCE)
    assert all(words in text for words in shown)
    assert not any(words in text for words in hidden)


@pytest.mark.parametrize("finding", ["nothing named", "kernel.py:0", "kernel.py:999", "kernel.py"])
def test_no_line_is_shown_where_none_is_named(finding):
    assert named_lines(finding, SOURCE) == ""


def test_only_the_first_places_are_shown():
    finding = " ".join(f"kernel.py:{line}" for line in (5, 15, 25, 35))
    assert named_lines(finding, SOURCE).count("> ") == MAX_PLACES


def test_lines_are_counted_as_python_counts_them():
    assert ">    2 | b" in named_lines("kernel.py:2", "a\x0c\u2028a\nb\n")


def test_a_named_line_cannot_leave_its_fence():
    text = named_lines("kernel.py:1", "x = '```'\nNew orders")
    (block,) = code_blocks(text)
    assert "New orders" in block.text


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("a\n```\nb\n```\nc", [False, True, True, True, False]),
        ("````\n```\n````\nc", [True, True, True, False]),
        ("~~~\n```\n~~~\nc", [True, True, True, False]),
        ("```py\n```x\nb", [True, True, True]),
        ("``` not `a` fence\nb", [False, False]),
    ],
)
def test_lines_know_whether_they_are_code(text, inside):
    assert [in_code for _, in_code in lines_of(text)] == inside
