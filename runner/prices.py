"""What tokens cost: the operator's table of prices, and the sum of a run.

Owns the table's two spellings. Holds no price of its own: vendors change theirs too often.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runner.contract import TokenUsage
from runner.errors import RunnerError

_PER = 1_000_000
_FIELDS = ("input", "output", "cached")
FORMS = "a TOML file, or MODEL=INPUT/OUTPUT or MODEL=INPUT/OUTPUT/CACHED, apart by commas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for a million tokens. `cached_usd`: of prompt tokens from the vendor's cache."""

    input_usd: float
    output_usd: float
    cached_usd: float | None = None

    def usd(self, usage: TokenUsage) -> float | None:
        """What an answer cost; `None` where its tokens were not counted.

        Cached tokens count in full where their number or their price is not known: the sum is
        then too high, never too low.
        """
        asked, written = usage.prompt_tokens, usage.completion_tokens
        if asked is None or written is None:
            return None
        cached = min(usage.cached_prompt_tokens or 0, asked) if self.cached_usd is not None else 0
        cached_usd = cached * (self.cached_usd or 0.0)
        return ((asked - cached) * self.input_usd + cached_usd + written * self.output_usd) / _PER


PriceTable = Mapping[str, Price]


def total_usd(answers: Iterable[tuple[str, TokenUsage]], prices: PriceTable) -> float | None:
    """What (model, usage) rows cost together; `None` without rows, or where one is not known."""
    sums = [
        price.usd(usage) if (price := prices.get(model)) is not None else None
        for model, usage in answers
    ]
    known = [usd for usd in sums if usd is not None]
    return sum(known) if sums and len(known) == len(sums) else None


def read_prices(text: str) -> dict[str, Price]:
    """The table that `text` spells out or names. Raises RunnerError naming the entry at fault.

    A file has one TOML table for each model, with `input`, `output` and, if wanted, `cached`.
    """
    if not text.strip():
        return {}
    return _inline(text) if "=" in text else _file(Path(text.strip()).expanduser())


def _inline(text: str) -> dict[str, Price]:
    prices = {}
    for entry in re.split(r"[,;\s]+", text.strip(" ,;\n\t")):
        model, equals, numbers = entry.rpartition("=")
        parts = numbers.split("/")
        if not equals or not model or len(parts) not in (2, 3):
            raise RunnerError(f"the price {entry!r} is not understood: use {FORMS}")
        prices[model] = _price(model, dict(zip(_FIELDS, parts, strict=False)))
    return prices


def _file(path: Path) -> dict[str, Price]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunnerError(f"cannot read the prices {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunnerError(f"the prices {path} are no TOML: {error}") from error
    return {model: _price(model, table) for model, table in tables.items()}


def _price(model: str, row: object) -> Price:
    if not isinstance(row, dict) or not {"input", "output"} <= set(row) <= set(_FIELDS):
        raise RunnerError(
            f"the price of {model!r} needs `input` and `output` (and may say `cached`)"
        )
    values = {name: _dollars(model, value) for name, value in row.items()}
    return Price(
        input_usd=values["input"], output_usd=values["output"], cached_usd=values.get("cached")
    )


def _dollars(model: str, value: object) -> float:
    usd = float("nan")
    # TOML's true and false are numbers to Python.
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        with suppress(ValueError):
            usd = float(value)
    if not 0 <= usd < float("inf"):
        raise RunnerError(f"the price of {model!r} holds {value!r}: dollars for a million tokens")
    return usd
