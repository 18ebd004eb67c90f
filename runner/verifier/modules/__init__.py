"""Tasks given as a class: `Model` and `ModelNew` as functions of tensors.

Owns the record of how a problem's values come about, its repetition with the judge's own numbers,
and the call of a module on tensors that the judge made. The rest of the verifier sees a function.
"""
