"""The log: one JSON object a line, the ids on it, and no secret in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bot import logs

SECRET = "hunter2"
PEM = """\
-----BEGIN RSA PRIVATE KEY-----
MIIEowIBAAKCAQEAx7
q0lineNumberTwoOfTheKey
-----END RSA PRIVATE KEY-----"""
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl_-x"
GHS_LONG = "ghs_" + "A1b2.C3d4-E5_" * 40


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines logged so far, with the process's own logging put back at the end."""
    root, stream = logging.getLogger(), io.StringIO()
    kept = (root.handlers[:], root.level)
    logs.configure("INFO", [SECRET, PEM, ""], stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = kept


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"the secret is {SECRET}!", SECRET),
        ("Authorization: Bearer abc.def-123", "abc.def-123"),
        ("authorization: basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("token ghs_1", "ghs_1"),
        (f"token {GHS_LONG}", "E5_"),
        (f"url https://x-access-token:{'ghp_' + 'a' * 36}@github.com/o/r", "ghp_"),
        ("github_pat_11ABCDEFG0_abcdefghijklmnop", "11ABCDEFG0"),
        (f"jwt {JWT}", "c2lnbmF0dXJl"),
        (f"key {PEM}", "MIIEowIBAAKCAQEAx7"),
        ("key " + PEM.replace("\n", "\\n"), "q0lineNumberTwoOfTheKey"),
        ("one line of it: q0lineNumberTwoOfTheKey", "q0lineNumberTwoOfTheKey"),
        ("another key -----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA", "MHcCAQEEIA"),
        ("postgresql://kw:pa55@db.example/kw", "pa55"),
    ],
)
def test_secrets_are_taken_out_whatever_their_length(text: str, hidden: str) -> None:
    clean = logs.Redactor([SECRET, PEM]).clean(text)
    assert hidden not in clean
    assert logs.REDACTED in clean


@pytest.mark.parametrize(
    "text",
    [
        "the bearer of bad news: the token expired after 3600 s",
        "https://github.com/octo/kernels/issues/7",
        "kw-0123456789abcdef: step dispatch failed",
        "postgresql://db.example:5432/kw",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    # 'bearer of' is the price of a form that knows no length.
    assert logs.Redactor([SECRET]).clean(text).replace(logs.REDACTED, "of") == text


def test_no_configured_secret_redacts_nothing() -> None:
    assert logs.Redactor(["", "  "]).clean("a plain line") == "a plain line"


@pytest.mark.parametrize("where", ["argument", "exception", "extra object", "nested", "bytes"])
def test_a_secret_is_taken_out_wherever_it_hides(lines: Any, where: str) -> None:
    log = logging.getLogger("bot.test")
    if where == "argument":
        log.error("found %s", {"key": SECRET})
    elif where == "exception":
        try:
            raise ValueError(f"cannot use {SECRET}")
        except ValueError:
            log.exception("it failed")
    elif where == "extra object":
        with logs.bound(request_id=SECRET):
            log.error("with an id")
    else:
        event = {"a": [b"hunter2"]} if where == "bytes" else {"a": [{SECRET: (SECRET,)}]}
        cleaned = logs.Redactor([SECRET])(None, "", {"event": event})
        assert SECRET not in json.dumps(cleaned)
        return
    (line,) = lines()
    assert SECRET not in json.dumps(line)
    assert logs.REDACTED in json.dumps(line)


def test_a_line_carries_time_level_logger_and_the_bound_ids(lines: Any) -> None:
    with logs.bound(delivery_id="d-1"), logs.bound(request_id="kw-1"):
        logging.getLogger("bot.test").warning("step %s", "dispatch")
    logging.getLogger("bot.test").info("afterwards")
    first, second = lines()
    assert first["event"] == "step dispatch"
    assert (first["level"], first["logger"]) == ("warning", "bot.test")
    assert (first["delivery_id"], first["request_id"]) == ("d-1", "kw-1")
    assert first["timestamp"].endswith("Z")
    assert "request_id" not in second


@pytest.mark.parametrize("name", ["dbos", "uvicorn.error", "uvicorn", "github.Requester"])
def test_libraries_log_through_the_same_pipe(lines: Any, name: str) -> None:
    logging.getLogger(name).error("it says %s", SECRET)
    (line,) = lines()
    assert line["logger"] == name
    assert line["event"] == f"it says {logs.REDACTED}"


def test_dbos_gets_no_handler_of_its_own_when_it_starts(lines: Any) -> None:
    from dbos._logger import init_logger

    init_logger()
    logging.getLogger("dbos").warning("once")
    assert [line["event"] for line in lines()] == ["once"]
