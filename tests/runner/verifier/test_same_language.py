"""What Triton's names mean to the interpreter stays what it was, from launch to launch."""

from __future__ import annotations

import pytest
import triton.language as tl
from triton.runtime import interpreter

from runner.verifier.same_language import SameLanguage


@pytest.fixture
def language(monkeypatch):
    monkeypatch.setattr(interpreter, "_patch_lang", lambda _function: None)
    return SameLanguage()


def test_what_nobody_changed_is_the_same(language):
    for _ in range(2):
        interpreter._patch_lang(None)
        language.check()
        language.settle(well=True)


def test_a_name_changed_in_the_middle_of_a_launch_is_named(language, monkeypatch):
    interpreter._patch_lang(None)
    monkeypatch.setattr(tl, "load", print)
    with pytest.raises(RuntimeError, match=r"changed triton\.language\.load"):
        language.check()


def test_a_name_changed_between_launches_is_named(language, monkeypatch):
    interpreter._patch_lang(None)
    language.settle(well=True)
    monkeypatch.setattr(tl, "store", print)
    with pytest.raises(RuntimeError, match=r"changed triton\.language\.store"):
        interpreter._patch_lang(None)


def test_a_launch_that_failed_makes_nothing_usual(language, monkeypatch):
    interpreter._patch_lang(None)
    monkeypatch.setattr(tl, "dot", print)
    language.settle(well=False)
    with pytest.raises(RuntimeError, match=r"changed triton\.language\.dot"):
        interpreter._patch_lang(None)
