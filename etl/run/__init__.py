"""One audit run: claim, fetch, normalize, load, acknowledge.

A run knows the components by their protocols and values. It knows no settings, database engine or API.
"""
