# says: while it was imported: it did not finish within 3 s
# timeout_s: 3
"""Never gets to its own function."""

while True:
    pass


def row_softmax(x):
    return x
