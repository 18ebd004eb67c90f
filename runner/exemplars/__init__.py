"""Good, tested Triton kernels to start from, one file each under `kernels/`.

Owns which there are and what they are for. Reads them as text: no exemplar is imported here, and
which one fits a problem is `choice`'s to say.
"""

from __future__ import annotations

from runner.exemplars.choice import exemplar_for
from runner.exemplars.index import Exemplar, exemplars

__all__ = ["Exemplar", "exemplar_for", "exemplars"]
