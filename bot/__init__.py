"""The GitHub side: webhooks in, pull requests out.

Holds the App's key. Never imports torch or triton, and never runs anything from an issue or a
bundle.
"""
