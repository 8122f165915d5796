"""The shared rate is a table beside the pending table, so its tests take the queue's fixtures."""

from tests.source.conftest import board, lasting_board

__all__ = ["board", "lasting_board"]
