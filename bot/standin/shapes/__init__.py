"""How the stand-in's records look in GitHub's JSON.

Owns field names and links. Pure: records in, dictionaries out, every time from scratch, so that a
payload never changes after it was made.
"""
