"""Drops what is left of a night: the tasks of killed processes, whose coroutines complain when they are collected."""

import asyncio
import atexit
import gc
import sys
import warnings
from contextlib import contextmanager
from itertools import count

NIGHTS_A_COLLECTION = 40
"""The nights after which the garbage of all of them is collected: a collection takes as long as a short night."""

_nights = count(1)


def drop(night):
    """Drop a night that was played; the collector is off while nights are played."""
    with _silence():
        for task in asyncio.all_tasks(night.loop):
            task._log_destroy_pending = False
        night.loop.forget_all()
        night.loop.close()
        night.__dict__.clear()
    if next(_nights) % NIGHTS_A_COLLECTION == 0:
        _collect()


@atexit.register
def _collect():
    with _silence():
        gc.collect()
    # What is left stays for ever: no later collection needs to look at it.
    gc.freeze()


@contextmanager
def _silence():
    """Say nothing about coroutines that never ended."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda _unraisable: None
    try:
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            yield
    finally:
        sys.unraisablehook = before
