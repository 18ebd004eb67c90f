"""Ways to begin, for first answers that are asked for in parallel.

Owns what each family can be tried with, by how it uses the GPU: who owns which axis, what stays
in registers, what is split. Deterministic; the measurements decide which was right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from runner.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategies:
    """The ways of one family. A problem belongs to it that has one of `words`."""

    family: str
    words: tuple[str, ...]
    ways: tuple[str, ...]


_PERSISTENT = (
    "Persistent: launch a fixed number of programs, $programs, and let each walk over its share "
    "of the tiles, so that setting up is paid once and the next tile's loads can start early."
)

_FAMILIES = (
    Strategies(
        family="attention",
        words=("attention", "sdpa"),
        ways=(
            "One program for each tile of queries (128 rows, 8 warps): it walks over the keys in "
            "tiles of 64 with an online softmax in exp2, and keeps the output in registers.",
            "Small query tiles (64 rows, 4 warps) and deep pipelining (num_stages 3 or 4): less "
            "work for each program, and more programs resident to hide the loads of K and V.",
            "Two loops over the keys: tiles that need no mask at all first, without any mask, and "
            "then only those on the diagonal or at the end.",
            "Split the keys as well: several programs for one tile of queries, each with its own "
            "maximum and sum, and a second small kernel that combines them. It pays where batch, "
            "heads and query tiles together are fewer than the GPU's multiprocessors.",
            _PERSISTENT,
        ),
    ),
    Strategies(
        family="convolution",
        words=("convolution", "conv", "conv1d", "conv2d", "conv3d", "deconvolution"),
        ways=(
            "Implicit GEMM: output pixels are the rows, output channels the columns, and input "
            "channels times taps the inner axis of one `tl.dot`; compute the addresses, and never "
            "build the unfolded matrix.",
            "Implicit GEMM with a loop over the taps outside and over input channels inside, so "
            "that the address and the mask of a tap are computed once for all its channels.",
            "Direct: one program owns a tile of the output, keeps the few weights in registers, "
            "and lets neighbouring taps be read again from L1. It pays where channels are few or "
            "grouped.",
            _PERSISTENT,
        ),
    ),
    Strategies(
        family="matmul",
        words=("matmul", "gemm", "linear", "bmm", "mm", "matrix", "mlp"),
        ways=(
            "Tiles of 128 x 128 (128 x 256 where the sizes are large) with 8 warps, 3 or 4 stages "
            "and a grouped order of the programs, so that neighbours share tiles in L2.",
            "Smaller tiles (64 x 128 or 64 x 64, 4 warps): more programs, so that small or uneven "
            "sizes still fill every multiprocessor.",
            "Split the inner axis among several programs, which add float32 partial results in a "
            "second small kernel. It pays where the output has fewer tiles than the GPU has "
            "multiprocessors.",
            _PERSISTENT,
        ),
    ),
    Strategies(
        family="scan",
        words=("scan", "cumsum", "cumprod", "cumulative", "prefix"),
        ways=(
            "One program for each row, which walks along it in blocks with "
            "`tl.associative_scan` and carries the last value from block to block.",
            "Several rows for each program, as a two-dimensional tile scanned along one axis: "
            "short rows then still fill whole warps.",
            "Split a long row: block sums first, a scan of the sums, then each block with its "
            "offset; two small kernels, but every multiprocessor takes part.",
        ),
    ),
    Strategies(
        family="pooling",
        words=("pool", "pooling", "maxpool", "avgpool"),
        ways=(
            "One flat axis of outputs: each program takes a block of consecutive output elements "
            "and loops over the window, so that neighbouring threads read neighbouring bytes.",
            "One program for each tile of output rows and columns of a channel: overlapping "
            "windows are then read again from L1 and not from memory.",
            "Several channels in each program, with the window unrolled as `tl.static_range`.",
        ),
    ),
    Strategies(
        family="row",
        words=(
            *("softmax", "norm", "normalisation", "normalization", "layernorm", "rmsnorm"),
            *("reduce", "reduction", "sum", "mean", "argmax", "loss", "entropy", "row"),
        ),
        ways=(
            "One program for each row, the whole row in registers: it is read once, reduced, and "
            "written once.",
            "Several rows for each program, as a two-dimensional tile: short rows then fill whole "
            "warps, and what all rows share is read once.",
            "A row in blocks, with a running (online) reduction: fewer registers and more "
            "programs resident; a second pass over the row reads it from cache.",
            "Split each row among several programs with a small second kernel that combines their "
            "partial results. It pays where rows are long and fewer than the multiprocessors.",
            _PERSISTENT,
        ),
    ),
)
_ANY = Strategies(
    family="any",
    words=(),
    ways=(
        "One flat axis: each program takes a block of 1024 or more consecutive elements, "
        "16 bytes for each thread and load, and masks only the last block.",
        "A two-dimensional tile for each program, with the axis that is contiguous in memory "
        "along the threads: what a row or a column shares is computed once for the tile.",
        _PERSISTENT,
        "Small blocks and few warps (1 to 4): many programs resident on each multiprocessor hide "
        "the latency of the loads.",
    ),
)


def strategy(problem: Problem, variant: int, multiprocessors: int | None) -> str:
    """The way to begin of the `variant`-th parallel answer; none for the first of each round.

    The first is free to choose: a model's own idea is the best one that is known beforehand.
    """
    ways = family_of(problem).ways
    index = variant % (len(ways) + 1)
    if index == 0:
        return ""
    programs = (
        "about as many as the GPU has multiprocessors"
        if multiprocessors is None
        else f"{multiprocessors} or a small multiple of it"
    )
    return ways[index - 1].replace("$programs", programs)


def family_of(problem: Problem) -> Strategies:
    """The first family that the spec's own words name: family, then entry, then summary."""
    for text in (problem.family, problem.entry, problem.summary):
        words = frozenset(re.findall(r"[a-z0-9]+", text.lower()))
        found = _first(words, _FAMILIES)
        if found is not None:
            return found
    return _ANY


def _first(words: frozenset[str], families: Sequence[Strategies]) -> Strategies | None:
    return next((row for row in families if words.intersection(row.words)), None)
