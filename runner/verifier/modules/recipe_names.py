"""The operators that a recipe may name. Tables only.

Each makes, fills, views or computes; none reads or writes anything but its arguments. `replay`
follows them on the judge's side, so whatever is not here is refused.
"""

from __future__ import annotations


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


# They make a tensor on the device that the follower names.
FACTORIES = _names(
    """
    arange empty empty_like empty_permuted empty_strided eye full full_like linspace new_empty
    new_empty_strided new_full new_ones new_zeros ones ones_like rand_like randint_like randn_like
    scalar_tensor zeros zeros_like
    """
)
# They make one of random numbers.
RANDOM_FACTORIES = _names(
    """
    rand randint randn randperm
    """
)
# They take a generator.
RANDOM_FILLS = _names(
    """
    bernoulli bernoulli_ exponential_ normal normal_ random_ uniform_
    """
)
# They compute, view or copy what is there.
COMPUTE = _names(
    """
    _log_softmax _reshape_alias _softmax _to_copy _unsafe_view abs acos add add_ alias all amax
    amin any argmax argmin argsort as_strided asin atan bitwise_and bitwise_not bitwise_or
    bitwise_xor cat ceil clamp clamp_ clamp_max clamp_min clone contiguous copy copy_ cos cosh
    cumsum detach detach_ diag diag_embed diagonal div div_ eq erf erfinv erfinv_ exp exp_ expand
    expm1 fill_ flip floor floor_divide fmod ge gt le lerp lift_fresh lift_fresh_copy
    linalg_vector_norm log log1p log_ logical_and logical_not logical_or lt masked_fill
    masked_fill_ max maximum mean min minimum movedim mul mul_ narrow ne neg neg_ norm
    permute pow pow_ prod reciprocal relu remainder repeat reshape roll round rsqrt rsub
    select sgn sigmoid sign sin sinh slice softmax sort split split_with_sizes sqrt sqrt_ squeeze
    stack std sub sub_ sum t tan tanh transpose tril tril_ triu triu_ trunc unbind unfold
    unsqueeze var view where zero_
    """
)
