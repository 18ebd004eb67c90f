"""Root mean square normalisation: the correctness oracle."""

import torch

EPS = 1e-6


def rms_norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """x / sqrt(mean(x²) + 1e-6) * weight for each row of x [M, N], in float32 at least."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    wide = x.to(dtype)
    inverse_rms = torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + EPS)
    return (wide * inverse_rms * weight.to(dtype)).to(x.dtype)
