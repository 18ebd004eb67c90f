# says: did not finish within 4 s
# timeout_s: 4
"""Never comes back."""


def row_softmax(x):
    while True:
        x = x.contiguous()
