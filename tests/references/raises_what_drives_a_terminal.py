# says: RuntimeError: \[2J\[red\]gone\[/red\]
"""Its message clears the screen, spans lines and is a megabyte long."""


def row_softmax(x):
    raise RuntimeError("\x1b[2J[red]gone[/red]\n" + "spam\n" * 200_000)
