"""What the reviewer says in the demo, one review a problem.

Owns the texts only. Each is answered by generation 1 of the problem's file in `transcripts/`, so
neither may be changed without the other.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewText:
    """A review that requests changes: its body, and one comment on the line that has `anchor`."""

    body: str
    comment: str
    anchor: str


REVIEWS = {
    "relative_position_attention": ReviewText(
        body=(
            "Correct as far as I can see, and dropping q_idx is right: it is constant along "
            "a row, so softmax cancels it. Two things before I merge. First, the kernel "
            "should refuse inputs that it cannot handle (rank, dtype, device, shapes that "
            "do not agree, a head dimension that is too large) with a clear ValueError "
            "before any launch. Second, please do not mask every tile: only the last tile "
            "can be partial. Do keep every key in the sum, though: the position term makes "
            "late keys negligible for ordinary inputs, but not when the scores are large."
        ),
        comment=(
            "This mask is needed only when the tile crosses the end of the sequence. Please "
            "peel the last tile out of the loop."
        ),
        anchor='scores = tl.where(cols[None, :] < S, scores, float("-inf"))',
    ),
    "rms_norm": ReviewText(
        body=(
            "Right for contiguous rows. Before I merge: x is read as if it were contiguous, "
            "so a slice of a wider tensor gives wrong numbers without a word. Please "
            "address the rows through their strides, and raise a clear ValueError, before "
            "any launch, for a rank, dtype, device or weight length that is not supported. "
            "And the block grows with the row: please loop over rows that are wider than "
            "one block of 8192."
        ),
        comment="This holds only where rows lie back to back. Please use x.stride(0).",
        anchor="offset = tl.program_id(0).to(tl.int64) * N",
    ),
}
