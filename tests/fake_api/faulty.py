"""A stand-in with one fault."""

import aiohttp

from etl.fake_api import Behaviour, Fault

TASK_ID = "1534087020903704704"


BROKEN_CONNECTIONS = {
    "cut_body": aiohttp.ClientPayloadError,
    "cut_chunked": aiohttp.ClientPayloadError,
    "many_headers": aiohttp.ClientResponseError,
    "reset": aiohttp.ClientOSError,
    "close_kept_alive": aiohttp.ServerDisconnectedError,
    "slow_body": TimeoutError,
    "slow_headers": TimeoutError,
    "stall": TimeoutError,
}

FAILED_SEED = 7
"""With this seed, the task has failed, and its detail has every field."""


def with_fault(name):
    return Behaviour(seed=FAILED_SEED, faults=(Fault(name=name, rate=1),))
