"""The facts in a kernel's docstring: in and out again, and never a way to hide code."""

from __future__ import annotations

import ast

import pytest

from runner.contract import sha256_hex
from runner.kernel_facts import MARK, kernel_digest, with_facts, without_facts

FACTS = 'Inputs: x "float16" [M, N]\n\nSpeed: 1.31x \\ """ vs torch.compile\n    on H200'
SOURCES = {
    "no docstring": "import torch\n\n\ndef f(x):\n    return x\n",
    "one line": '"""One line."""\nimport torch\n',
    "several lines": '"""One.\n\nMore.\n"""\n\nimport torch\n',
    "blank lines at its end": '"""One.\n\n"""\nx = 1\n',
    "no room": '"""One."""',
    "empty": '""""""\nx = 1\n',
    "quotes inside": '""""Quoted" and ""double"" """\nx = 1\n',
    "future import": '"""One."""\nfrom __future__ import annotations\nx = 1\n',
    "future import alone": "from __future__ import annotations\nx = 1\n",
    "raw docstring": 'r"""One \\d."""\nfrom __future__ import annotations\nx = 1\n',
    "escapes": '"""One \\""" two."""\nfrom __future__ import annotations\nx = 1\n',
    "single quotes": "'One.'\nfrom __future__ import annotations\nx = 1\n",
    "comment first": '# A licence.\n"""One."""\nfrom __future__ import annotations\nx = 1\n',
    "comment alone": "# A licence.\n\nx = 1\n",
    "windows": '"""One.\r\n"""\r\nx = 1\r\n',
    "the mark itself": f'"""One.\n\n{MARK}.\nSpeed: 99x\n"""\nx = 1\n',
    "the mark first": f'"""{MARK}:\nSpeed: 99x\n"""\nx = 1\n',
    "code only": "x = 1",
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_the_candidate_comes_out_again_byte_for_byte(source: str) -> None:
    delivered = with_facts(source, FACTS)
    assert "Speed: 1.31x" in delivered
    assert without_facts(delivered) == source
    assert kernel_digest(delivered) == sha256_hex(source)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_what_runs_is_the_candidate_and_nothing_else(source: str) -> None:
    def code(text: str) -> list[str]:
        body = ast.parse(text).body
        has_docstring = ast.get_docstring(ast.parse(text)) is not None
        return [ast.dump(node) for node in body[has_docstring:]]

    delivered = with_facts(source, FACTS)
    compile(delivered, "kernel.py", "exec")
    assert code(delivered) == code(source)


def test_facts_are_replaced_where_a_kernel_is_delivered_again() -> None:
    first = with_facts(SOURCES["several lines"], "Speed: 1.1x")
    second = with_facts(without_facts(first), "Speed: 1.2x")
    assert "1.1x" not in second
    assert second.count(MARK) == 1


@pytest.mark.parametrize(
    "text",
    [
        f'"""One.\n\n{MARK}.\n""" + __import__("os").name + """\nmore"""\nx = 1\n',
        f"# {MARK}.\nimport os\n\nx = 1\n",
        f'"""One \\""" {MARK}.\nimport os\n"""\nx = 1\n',
        f'x = """{MARK}.\n"""\nimport os\n',
    ],
    ids=["ended string", "code in the comment", "escaped quotes", "another string"],
)
def test_code_cannot_hide_among_the_facts(text: str) -> None:
    """What is taken out is text of the docstring or comments; all code stays in the digest."""
    names = {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}
    imports = text.count("import os")
    kept = without_facts(text)
    assert kept.count("import os") == imports
    assert all(name in kept for name in names)
