"""A whole verdict on a candidate that looks for the answer in all memory that it can read."""

from __future__ import annotations

from runner.contract import Candidate, EvaluationStatus
from runner.verifier import Verifier, VerifyOptions, judge

SECRET = "sk-secret-of-the-operator"

# Works out the answer itself, wipes it, and looks for other copies. What it looks for it keeps
# with every bit turned, so that it does not find its own notes.
THIEF = """\
import os

import numpy
import torch
import triton
import triton.language as tl


@triton.jit
def unused_kernel(x_ptr):
    tl.store(x_ptr, 0.0)


def turned(tensor):
    view = tensor.flatten()[:48].view(torch.uint8)
    kept = (view ^ 255).numpy().tobytes()
    tensor.zero_()
    return kept


def count_in_memory(wanted):
    counts = dict.fromkeys(wanted, 0)
    memory = os.open("/proc/self/mem", os.O_RDONLY)
    for line in open("/proc/self/maps").read().splitlines():
        span, rights, *rest = line.split(maxsplit=5)
        named = rest[-1] if len(rest) == 4 else ""
        # A read-only file of the disk cannot hold what was computed a moment ago.
        if rights[0] != "r" or (rights[1] != "w" and named.startswith("/")):
            continue
        start, end = (int(part, 16) for part in span.split("-"))
        for place in range(start, end, 1 << 24):
            try:
                data = os.pread(memory, min(end - place, (1 << 24) + 4096), place)
            except OSError:
                break  # the kernel's own pages
            data = (numpy.frombuffer(data, numpy.uint8) ^ 255).tobytes()
            for name, text in wanted.items():
                counts[name] += data.count(text)
    return counts


def row_softmax(x):
    answer = torch.empty_like(x)
    answer.copy_(torch.softmax(x.float(), dim=-1))  # a cast could leave a second copy behind
    wanted = {
        "answer": turned(answer),
        "exact answer": turned(torch.softmax(x.double(), dim=-1)),
        "input": (x.flatten()[:48].view(torch.uint8) ^ 255).numpy().tobytes(),
        "key": bytes(code ^ 255 for code in KEY),
    }
    raise LookupError(f"in memory: {count_in_memory(wanted)}")
"""


def test_neither_answer_nor_key_is_anywhere_in_the_memory_of_a_candidate(
    softmax_problem, sandboxed, monkeypatch
):
    """The input is there, which shows that the search finds things."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setattr(judge, "screen", lambda source, problem: None)
    # The key is spelled in pieces: its text is in the candidate's own memory otherwise.
    turned_key = [code ^ 255 for code in SECRET.encode()]
    source = THIEF.replace("code ^ 255 for code in KEY", f"code for code in {turned_key}")
    with Verifier(softmax_problem, VerifyOptions(quick=True)) as verifier:
        evaluation = verifier.verify(Candidate.of(source, attempt=1))
    assert evaluation.status is EvaluationStatus.RUNTIME_ERROR
    assert "'answer': 0, 'exact answer': 0" in evaluation.detail, evaluation.detail
    assert "'key': 0" in evaluation.detail
    assert "'input': 0" not in evaluation.detail
