import asyncio
import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from etl.errors import ConfigurationError
from etl.fake_api import Behaviour, FakeApi, Fault
from etl.fetch.backlog import Backlog
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pool import Pool
from etl.fetch.retry import RetryPolicy
from etl.koodrive.client import open_koodrive
from etl.rate.limiter import RateLimiter
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, Observation, PendingTask
from etl.tasks.failure_reasons import FailureReason
from tests.koodrive.raw_http import APP, APP_BEHAVIOUR, TASK_ID, TOKEN, header, http

SENT = (
    *("Host", "User-Agent", "Accept", "Accept-Encoding", "language"),
    *("Authorization", "X-Date", "X-User-Id", "X-Traceid"),
)
"""The headers of a request, each once."""


def test_requests_carry_the_documented_headers_once(asked_scripted):
    before = datetime.now(UTC).replace(microsecond=0)
    outcomes, server = asked_scripted(http(), times=3)
    assert all(isinstance(outcome, Observation) for outcome in outcomes)
    for request in server.requests:
        assert request.startswith(f"GET /koodrive/ose/v1/task/{TASK_ID} HTTP/1.1\r\n")
        assert header(request, "Host") == server.base_url.removeprefix("http://")
        assert header(request, "Authorization") == f"Bearer {TOKEN}"
        assert header(request, "X-User-Id") == "1505084218764547200"
        assert header(request, "language") == "en-US"
        sent_at = datetime.strptime(header(request, "X-Date"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        assert before - timedelta(minutes=1) < sent_at <= datetime.now(UTC) - timedelta(seconds=4)
        names = sorted(line.partition(":")[0].lower() for line in request.strip().split("\r\n")[1:])
        assert names == sorted(map(str.lower, SENT))
    trace_ids = [header(request, "X-Traceid") for request in server.requests]
    assert len(set(trace_ids)) == 3
    assert all(re.fullmatch("[0-9a-z]{58}", trace_id) for trace_id in trace_ids)


def test_the_language_and_the_time_are_sent_as_configured(asked_scripted):
    _, server = asked_scripted(
        http(), language="zh-CN", clock=lambda: datetime(2024, 9, 9, 3, 33, 30, 999_999, tzinfo=UTC)
    )
    assert header(server.requests[0], "language") == "zh-CN"
    assert header(server.requests[0], "X-Date") == "20240909T033325Z"


def test_a_failure_has_the_trace_id_that_the_server_received(asked_stand_in):
    (failure,), api = asked_stand_in(Behaviour(faults=(Fault(name="not_found", rate=1),)))
    assert failure.reason is FailureReason.NOT_FOUND
    assert api.stats.trace_ids == {failure.trace_id}


def test_a_token_is_accepted(asked_stand_in):
    (seen,), api = asked_stand_in(Behaviour(token=f"Bearer {TOKEN}"))
    assert isinstance(seen, Observation)
    assert api.stats.rejected == {}


@pytest.mark.parametrize("task_id", ["1", "17", TASK_ID, "9" * 19])
def test_a_signature_is_accepted(asked_stand_in, task_id):
    (seen,), api = asked_stand_in(APP_BEHAVIOUR, task_id, **APP)
    assert isinstance(seen, Observation)
    assert api.stats.rejected == {}


def test_signatures_of_several_seconds_are_accepted(asked_stand_in):
    ticks = iter([datetime.now(UTC) - timedelta(seconds=seconds / 4) for seconds in range(20, 0, -1)])
    outcomes, _ = asked_stand_in(APP_BEHAVIOUR, *["17"] * 8, clock=lambda: next(ticks), **APP)
    assert all(isinstance(outcome, Observation) for outcome in outcomes)


@pytest.mark.parametrize("prefix", ["", "/gateway", "/a%20b/v2", "/中"])
def test_a_path_prefix_is_sent_as_it_was_signed(asked_scripted, prefix):
    from aiohttp.test_utils import make_mocked_request

    from etl.fake_api.admission import find_rejection

    _, server = asked_scripted(http(), prefix=prefix, **APP)
    request = server.requests[0]
    path = request.split(" ")[1]
    assert path.endswith(f"/koodrive/ose/v1/task/{TASK_ID}")
    assert path.isascii()
    names = ("Host", "Authorization", "X-Date", "X-User-Id", "X-Traceid")
    seen = make_mocked_request("GET", path, {name: header(request, name) for name in names})
    assert find_rejection("GET", path, headers=seen.headers, behaviour=APP_BEHAVIOUR, now=datetime.now(UTC)) is None


@pytest.mark.parametrize(
    "task_id", ["", "..", "%2e%2e", "1/../2", "1?x=1", "1#", "1\r\nX: y", "\u0661", "1" * 20, " 1", "-1"]
)
def test_an_invalid_id_is_never_put_into_a_url(asked, task_id):
    async def scenario():
        async with FakeApi() as api:
            with pytest.raises(ValueError, match="must not meet a URL"):
                await asked(api.base_url, task_id)
            return api.stats.requests

    assert asyncio.run(scenario()) == 0


def test_an_address_must_be_set(api_settings):
    async def scenario():
        async with open_koodrive(api_settings(None), run_id=str(uuid4()), clock=lambda: datetime.now(UTC)):
            pass

    with pytest.raises(ConfigurationError, match=r"api\.base_url is not set"):
        asyncio.run(scenario())


def test_the_counts_match_what_the_server_received(api_settings):
    task_ids = [str(number) for number in range(1, 301)]
    shutdown = Shutdown()
    outcomes = []

    async def remember(outcome):
        outcomes.append(outcome)

    async def scenario():
        async with FakeApi(Behaviour(seed=5, faults=(Fault(name="reset", rate=0.1),))) as api:
            settings = api_settings(api.base_url)
            async with open_koodrive(settings, run_id=str(uuid4()), clock=lambda: datetime.now(UTC)) as koodrive:
                pool = Pool(
                    koodrive.ask,
                    gate=Gate(RateLimiter(1e6), shutdown=shutdown, patience_seconds=900),
                    policy=RetryPolicy(attempts=4, base_seconds=0),
                    budget=RetryBudget(),
                    concurrency=8,
                    shutdown=shutdown,
                )
                backlog = Backlog(low=0, rest_seconds=0)
                backlog.fill(PendingTask(task_id=task_id) for task_id in task_ids)
                backlog.end()
                await pool.work(backlog, remember)
                return api.stats, pool.traffic

    stats, traffic = asyncio.run(scenario())
    assert stats.requests == traffic.requests
    assert traffic.retries == traffic.requests - len(task_ids) > 20
    assert len(stats.trace_ids) == traffic.requests
    assert sorted(outcome.task.task_id for outcome in outcomes) == sorted(task_ids)
    assert sum(isinstance(outcome, FetchFailure) for outcome in outcomes) < 3
