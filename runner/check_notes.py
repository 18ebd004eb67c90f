"""What each check of the verifier would have caught, in a sentence for people.

Owns the words alone. A check that is not known here gets none, rather than a guess.
"""

from __future__ import annotations

# The first row with a word of its left side in the check's name counts.
_NOTES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("sanitizer", "memcheck", "racecheck"),
        "Out-of-bounds accesses, races between threads and reads of memory that nobody wrote.",
    ),
    (("guard", "overrun"), "A missing or wrong mask: reads or writes beyond a tensor's end."),
    (
        ("run-to-run", "run to run", "repeat", "determin"),
        "Races and uninitialised memory, which give another answer on another run.",
    ),
    (
        ("poison", "unwritten"),
        "Outputs that are left unwritten, and answers found in memory freed by somebody else.",
    ),
    (
        ("held-out", "held out"),
        "A kernel that fits only the sizes it was shown: hard-coded shapes, grids and tables.",
    ),
    (
        ("layout", "stride", "contiguous"),
        "A kernel that takes every tensor for contiguous, and reads the wrong elements.",
    ),
    (
        ("spec gate", "degenerate"),
        "A test that proves nothing: one that zeros, a copy of an input or half precision pass.",
    ),
    (
        ("distribution",),
        "Behaviour that is right for one kind of numbers only, such as small ones.",
    ),
    (
        ("seed", "secret", "fresh input"),
        "Answers prepared beforehand: nobody but the judge knows the inputs before the call.",
    ),
    (
        ("budget", "numeric", "float64", "error"),
        "Skipped tiles, a wrong formula, and a precision lower than the declared types allow.",
    ),
    (
        ("input",),
        "A kernel that changes the question: inputs zeroed or edited in place.",
    ),
    (
        ("output type", "type", "shape", "dtype"),
        "Lazy tensor subclasses that compute later, and outputs of the wrong shape or dtype.",
    ),
    (
        ("coverage", "own kernel", "own share", "launch", "dispatch", "library"),
        "Fallbacks to PyTorch, library calls in place of a kernel, and decoys that never run.",
    ),
    (
        ("thread", "process census", "census", "side stream"),
        "Work hidden from the clock in another thread, process or stream.",
    ),
    (
        ("clock",),
        "A patched timer: the judge's own clock, out of the kernel's reach, must agree.",
    ),
    (
        ("floor", "roofline", "physics"),
        "Times that no GPU can reach: calls that are skipped or answered from memory.",
    ),
    (
        ("timed output", "timed call", "fresh pointer"),
        "Answers cached by address or contents, replayed graphs, and calls that do nothing.",
    ),
    (("l2", "cache"), "Times that hold only while the inputs are still in the cache."),
    (
        ("fresh process", "final"),
        "State carried over from earlier calls, in the process or on the GPU.",
    ),
    (("sandbox", "lockdown"), "Files, network, other processes and the judge itself out of reach."),
    (
        ("compile", "assembl", "target"),
        "A kernel that works in an interpreter and cannot be built for the GPU.",
    ),
    (
        ("screen", "source"),
        "Plain cheats and forbidden modules, seen in the text before anything runs.",
    ),
)


def what_it_catches(name: str) -> str | None:
    """What the check called `name` would have caught; None for one that is not known."""
    lower = name.lower()
    for words, note in _NOTES:
        if any(word in lower for word in words):
            return note
    return None
