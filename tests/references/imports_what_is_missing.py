# says: while it was imported: ModuleNotFoundError: No module named 'of_tomorrow' \(line 4\)
"""Needs a package that is not there."""

import of_tomorrow


def row_softmax(x):
    return of_tomorrow.softmax(x)
