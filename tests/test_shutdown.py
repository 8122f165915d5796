import asyncio

from etl.error_codes import Code
from etl.errors import CredentialsRefusedError, StoppedError
from etl.shutdown import Shutdown


def test_the_first_request_counts():
    shutdown = Shutdown()
    assert (shutdown.is_requested, shutdown.reason) == (False, None)
    first, second = (
        StoppedError("a signal", code=Code.STOPPED_BY_SIGNAL, remedy="Go on."),
        CredentialsRefusedError("no", code=Code.CREDENTIALS_REFUSED, remedy="Renew them."),
    )
    shutdown.request(first)
    shutdown.request(second)
    assert (shutdown.is_requested, shutdown.reason) == (True, first)


def test_a_request_wakes_every_sleeper():
    async def scenario():
        shutdown = Shutdown()
        waiting = [
            asyncio.create_task(shutdown.wait()),
            *(asyncio.create_task(shutdown.sleep(3600)) for _ in range(100)),
        ]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        shutdown.request(StoppedError("a signal", code=Code.STOPPED_BY_SIGNAL, remedy="Go on."))
        async with asyncio.timeout(5):
            await asyncio.gather(*waiting)

    asyncio.run(scenario())


def test_after_a_request_no_part_sleeps():
    async def scenario():
        shutdown = Shutdown()
        shutdown.request(StoppedError("a signal", code=Code.STOPPED_BY_SIGNAL, remedy="Go on."))
        async with asyncio.timeout(5):
            await shutdown.wait()
            await shutdown.sleep(3600)

    asyncio.run(scenario())


def test_without_a_request_a_sleep_ends_in_time():
    async def scenario():
        shutdown = Shutdown()
        loop = asyncio.get_running_loop()
        before = loop.time()
        await shutdown.sleep(0.01)
        await shutdown.sleep(0)
        await shutdown.sleep(-1)
        assert 0.01 <= loop.time() - before < 5
        assert not shutdown.is_requested

    asyncio.run(scenario())
