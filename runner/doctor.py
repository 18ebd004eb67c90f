"""The `doctor` command: what this machine can do, and what to do about what it cannot.

Owns the list of facts, the modes that follow from them, and what is printed on stdout. Repairs
nothing.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from runner.machine import (
    BOTH,
    Fact,
    Mode,
    lockdown_fact,
    memory_fact,
    package_facts,
    python_fact,
    sandbox_fact,
    temporary_fact,
)
from runner.one_line import one_line

_SIGNS = {"ok": "\N{CHECK MARK}", "missing": "\N{BALLOT X}", "absent": "\N{EN DASH}"}


def run_doctor(*, as_json: bool) -> bool:
    """Examine this machine and print every fact as soon as it is known.

    True where generated code can be verified here: on the CPU or on a GPU.
    """
    facts: list[Fact] = []
    for fact in examine():
        facts.append(fact)
        if not as_json:
            _print_fact(fact)
    modes = {mode: why_not(facts, mode) for mode in BOTH}
    if as_json:
        document = {
            "modes": {
                mode: {"works": reason is None, "because": reason} for mode, reason in modes.items()
            },
            "facts": [asdict(fact) for fact in facts],
        }
        json.dump(document, sys.stdout)
        sys.stdout.write("\n")
    else:
        print("\nverifying generated code:")
        for mode, reason in modes.items():
            print(f"  {mode}: {'yes' if reason is None else f'no, because {reason}'}")
    return any(reason is None for reason in modes.values())


def examine() -> Iterator[Fact]:
    """Every fact, the most basic first. Takes some seconds: torch is loaded, a sandbox is made."""
    yield python_fact()
    yield from package_facts()
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("triton") is None:
        return  # everything below needs both
    from runner.machine_gpu import gpu_facts, ptxas_fact, tool_fact

    yield sandbox_fact()
    yield lockdown_fact()
    yield ptxas_fact()
    yield memory_fact()
    yield temporary_fact()
    yield from gpu_facts()
    yield tool_fact("compute-sanitizer", "memcheck and racecheck of the winner are left out")
    yield tool_fact("ncu", "no profile of a kernel can be taken by hand")


def why_not(facts: Sequence[Fact], mode: Mode) -> str | None:
    """What keeps `mode` from working, in the order found; None where it works."""
    reasons = [
        f"{fact.name}: {one_line(fact.detail)}"
        for fact in facts
        if mode in fact.needed_for and fact.state != "ok"
    ]
    return "; ".join(reasons) or None


def _print_fact(fact: Fact) -> None:
    print(f"{_SIGNS[fact.state]} {fact.name:<20} {one_line(fact.detail)}", flush=True)
    if fact.remedy and fact.state != "ok":
        print(f"  {'':<20} → {one_line(fact.remedy)}", flush=True)
