"""The table of prices, and what a run costs by it."""

from __future__ import annotations

import pytest

from runner.contract import TokenUsage
from runner.errors import RunnerError
from runner.prices import Price, read_prices, total_usd

R1 = Price(input_usd=1.0, output_usd=2.0, cached_usd=0.1)
MILLION = 1_000_000


def usage(prompt: int | None, completion: int | None, cached: int | None = None) -> TokenUsage:
    return TokenUsage(
        prompt_tokens=prompt, completion_tokens=completion, cached_prompt_tokens=cached
    )


@pytest.mark.parametrize(
    ("price", "tokens", "usd"),
    [
        (R1, usage(MILLION, MILLION), 3.0),
        (R1, usage(MILLION, MILLION, MILLION // 2), 0.5 + 0.05 + 2.0),
        (R1, usage(MILLION, 0, 5 * MILLION), 0.1),
        (Price(input_usd=1.0, output_usd=2.0), usage(MILLION, 0, MILLION), 1.0),
        (R1, usage(None, MILLION), None),
        (R1, usage(MILLION, None), None),
        (Price(input_usd=0.0, output_usd=0.0), usage(5, 5), 0.0),
    ],
)
def test_an_answer_costs_what_its_tokens_cost(price, tokens, usd):
    assert price.usd(tokens) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("answers", "usd"),
    [
        ([("r1", usage(MILLION, 0)), ("r1", usage(0, MILLION))], 3.0),
        ([("r1", usage(MILLION, 0)), ("other", usage(0, MILLION))], None),
        ([("r1", usage(MILLION, 0)), ("r1", usage(None, None))], None),
        ([], None),
    ],
)
def test_a_run_costs_the_sum_or_nothing_that_is_known(answers, usd):
    assert total_usd(answers, {"r1": R1}) == usd


@pytest.mark.parametrize(
    "text",
    [
        "r1=1/2/0.1",
        "r1=1/2/0.1, deepseek-ai/deepseek-r1=0.5/1",
        "a=1/2; r1=1/2/0.1;",
    ],
)
def test_reads_prices_in_one_line(text):
    assert read_prices(text)["r1"] == R1


def test_a_model_with_a_slash_is_read_to_the_equals_sign():
    assert read_prices("a/b:c=3/4") == {"a/b:c": Price(input_usd=3.0, output_usd=4.0)}


def test_reads_prices_from_a_file(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(
        '[r1]\ninput = 1\noutput = 2.0\ncached = 0.1\n\n["a/b"]\ninput = 3\noutput = 4\n'
    )
    assert read_prices(str(path)) == {"r1": R1, "a/b": Price(input_usd=3.0, output_usd=4.0)}


def test_without_a_table_nothing_has_a_price():
    assert read_prices("  ") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("r1=1", "'r1=1' is not understood"),
        ("=1/2", "is not understood"),
        ("r1=1/2/3/4", "is not understood"),
        ("r1=cheap/2", "the price of 'r1' holds 'cheap'"),
        ("r1=-1/2", "holds '-1'"),
        ("r1=nan/2", "holds 'nan'"),
        ("/no/such/prices.toml", "cannot read the prices"),
    ],
)
def test_a_bad_price_is_named(text, words):
    with pytest.raises(RunnerError, match=words):
        read_prices(text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"r1 = ", "are no TOML"),
        (b"\xff", "are no TOML"),
        (b"r1 = 3", "needs `input` and `output`"),
        (b"[r1]\ninput = 1", "needs `input` and `output`"),
        (b"[r1]\ninput = 1\noutput = 2\nyen = 3", "needs `input` and `output`"),
        (b"[r1]\ninput = 1\noutput = []", r"the price of 'r1' holds \[\]"),
        (b"[r1]\ninput = 1\noutput = true", "holds True"),
    ],
)
def test_a_bad_file_of_prices_names_its_fault(tmp_path, content, words):
    (tmp_path / "p.toml").write_bytes(content)
    with pytest.raises(RunnerError, match=words):
        read_prices(str(tmp_path / "p.toml"))
