# says: on M=3 N=64 .*returns y of shape \[3\]; the spec says \[3, 64\]
"""One number a row."""


def row_softmax(x):
    return x.sum(dim=-1)
