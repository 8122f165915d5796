"""An event loop whose clock jumps to the next timer when no task can run: hours pass in milliseconds."""

import asyncio
import selectors


class JumpingSelector(selectors.SelectSelector):
    """Never waits, and advances the clock by the time-out instead."""

    now = 1000.0

    def select(self, timeout=None):
        if timeout:
            self.now += timeout
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self):
        return self._jumping.now

    async def shutdown_default_executor(self, timeout=None):  # noqa: ASYNC109 - as in asyncio
        """Wait for the threads without a time-out: from Python 3.13 on it would be virtual, and over at once."""
        await super().shutdown_default_executor()


def run_virtually(scenario):
    """Run a coroutine on a loop of virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(scenario)
