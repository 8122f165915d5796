"""Ends a night as soon as a promise of the job is broken."""


class BrokenInvariantError(Exception):
    """A promise of the job does not hold."""


class Promises:
    """What the auditors of one night require."""

    def __init__(self, loop):
        self._loop = loop

    def break_(self, invariant, what):
        error = BrokenInvariantError(f"{invariant}: {what}")
        if self._loop.failure is None:
            self._loop.failure = error
        return error

    def require(self, holds, invariant, what):
        if not holds:
            raise self.break_(invariant, what)
