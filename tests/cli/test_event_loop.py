"""A run uses uvloop if it is installed, and Python's own event loop otherwise."""

import asyncio
import sys

import pytest

from etl.cli.foreground import run_async


async def kind_of_loop():
    return type(asyncio.get_running_loop()).__module__


def test_a_run_uses_the_faster_loop_if_it_is_installed():
    pytest.importorskip("uvloop")
    assert run_async(kind_of_loop()).startswith("uvloop")


def test_a_run_needs_no_other_loop_than_python_s(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run_async(kind_of_loop()).startswith("asyncio")
