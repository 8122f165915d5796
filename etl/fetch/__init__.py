"""The pool: how fast, how many at once, and how often again. It knows nothing of KooDrive's fields."""
