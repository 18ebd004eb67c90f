"""The environment, and text that must stay text in Markdown."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from runner.errors import RunnerError
from runner.markdown import code, error_text, plain, table
from runner.prices import Price
from runner.settings import ADDRESSES, KEYS, read_settings


def test_defaults_are_r1_with_the_sandbox_on():
    settings = read_settings({})
    assert (settings.model, settings.allow_no_sandbox) == (None, False)
    endpoint = settings.endpoint
    assert (endpoint.max_answer_tokens, endpoint.context_tokens) == (32_768, None)
    assert (endpoint.keys, endpoint.addresses, endpoint.sampling) == ({}, {}, {})
    assert (endpoint.mailbox_name, settings.prices) == ("mailbox", {})


def test_reads_what_the_workflow_sets():
    settings = read_settings(
        {
            "KERNELWRIGHT_MODEL": " replay:x ",
            "KERNELWRIGHT_ALLOW_NO_SANDBOX": "1",
            "OPENAI_BASE_URL": "http://127.0.0.1:8000/v1",
            "OPENAI_API_KEY": "key",
            "KERNELWRIGHT_TEMPERATURE": "none",
            "KERNELWRIGHT_TOP_P": "0.5",
            "KERNELWRIGHT_MAX_ANSWER_TOKENS": "100",
            "KERNELWRIGHT_CONTEXT_TOKENS": "5000",
            "KERNELWRIGHT_MAILBOX_NAME": "handwritten",
            "KERNELWRIGHT_PRICES": "r1=1/2",
            "NVIDIA_API_KEY": "other key",
        }
    )
    assert (settings.model, settings.allow_no_sandbox) == ("replay:x", True)
    endpoint = settings.endpoint
    assert endpoint.addresses == {"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"}
    assert endpoint.keys == {"OPENAI_API_KEY": "key", "NVIDIA_API_KEY": "other key"}
    assert endpoint.sampling == {"temperature": None, "top_p": 0.5}
    assert (endpoint.max_answer_tokens, endpoint.context_tokens) == (100, 5000)
    assert endpoint.mailbox_name == "handwritten"
    assert settings.prices == {"r1": Price(input_usd=1.0, output_usd=2.0)}


def test_variables_that_are_empty_count_as_unset():
    # A workflow sets every variable, also those that the repository does not define.
    names = [f"KERNELWRIGHT_{name}" for name in ("MODEL", "ALLOW_NO_SANDBOX", "PRICES")]
    names += ["KERNELWRIGHT_TEMPERATURE", "KERNELWRIGHT_CONTEXT_TOKENS", *KEYS, *ADDRESSES]
    assert read_settings(dict.fromkeys(names, " ")) == read_settings({})


def test_an_answer_as_long_as_the_context_leaves_no_room_to_ask():
    with pytest.raises(RunnerError, match="MAX_ANSWER_TOKENS=32768 leaves no room"):
        read_settings({"KERNELWRIGHT_CONTEXT_TOKENS": "32768"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KERNELWRIGHT_ALLOW_NO_SANDBOX", "perhaps"),
        ("KERNELWRIGHT_TEMPERATURE", "warm"),
        ("KERNELWRIGHT_TEMPERATURE", "-1"),
        ("KERNELWRIGHT_TOP_P", "nan"),
        ("KERNELWRIGHT_MAX_ANSWER_TOKENS", "0"),
        ("KERNELWRIGHT_MAX_ANSWER_TOKENS", "1.5"),
        ("KERNELWRIGHT_IDLE_TIMEOUT_S", "0"),
        ("KERNELWRIGHT_IDLE_TIMEOUT_S", "none"),
        ("KERNELWRIGHT_CONTEXT_TOKENS", "large"),
        ("KERNELWRIGHT_PRICES", "r1=free"),
    ],
)
def test_a_bad_value_names_its_variable(name, value):
    with pytest.raises(RunnerError, match=name):
        read_settings({name: value})


HOSTILE = [
    "a | b",
    "*bold* _it_ `code` [x](http://e.example) ![i](http://e.example)",
    "<img src=x onerror=y> &amp;",
    "two\nlines\r\n# title",
    "```\nfence",
    "back\\slash \\`tick\\`",
    "~~struck~~ $x$ http://e.example @octo #1",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("escape", [plain, code])
def test_escaped_text_renders_as_itself_in_a_table(escape, text):
    renderer = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = renderer.parse(table(["a", "b"], [[escape(text), "end"]]))
    cells = [token for token in tokens if token.type == "inline"]
    assert [len(cells), cells[3].content] == [4, "end"]
    kinds = {child.type for child in cells[2].children}
    assert kinds <= {"text", "text_special", "code_inline"}
    shown = "".join(child.content for child in cells[2].children)
    assert shown.split() == text.split()


def test_errors_without_a_number_are_said_so():
    assert error_text(None) == "not finite"
    assert error_text(0.000123) == "0.00012"
