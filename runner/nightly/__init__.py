"""Every merged kernel, judged again each night: what is looked at, compared and written down.

Torch-free but for the judge, which asks `runner.verifier`. Tells nobody: the bot reads what is
written here and decides on that alone who hears of it.
"""
