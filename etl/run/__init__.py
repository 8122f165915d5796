"""One audit run: claim, fetch, normalize, load, acknowledge.

It knows protocols and values, and no settings, engine or API.
"""
