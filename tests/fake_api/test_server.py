import asyncio
import socket
from collections import Counter

import aiohttp
import pytest

from etl.fake_api import Behaviour, FakeApi, Fault, Override, StatusWeights, running_in_thread
from etl.fake_api.stats import peak_per_second
from etl.fake_api.world import World
from etl.tasks.detail import API_FIELDS

TASK_ID = "1534087020903704704"

OVERRIDE = b'{"1534087020903704704":{"status":3,"resultCode":"18000205","taskName":"lym0412normal"}}'


def test_a_detail_has_the_documented_fields(responses_of):
    (response,), _ = responses_of(Behaviour(seed=7), TASK_ID)
    task = World(seed=7).task(TASK_ID)
    assert (response.status, response.content_type) == (200, "application/json")
    assert response.json == {field.api_name: field.example for field in API_FIELDS} | {
        "taskId": TASK_ID,
        "taskName": task.task_name,
        "taskType": task.task_type,
        "tenantId": task.tenant_id,
        "userId": task.user_id,
        "status": 3,
        "resultCode": task.result_code,
        "code": 0,
        "msg": "success",
    }


def test_a_successful_task_has_no_result_code(responses_of):
    weights = StatusWeights(success=1, failed=0, executing=0, new=0)
    (response,), _ = responses_of(Behaviour(weights=weights), TASK_ID)
    assert response.json["status"] == 2
    assert "resultCode" not in response.json


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("1" * 20, 400, 13000102),
        ("abc", 400, 13000102),
        (TASK_ID + "/more", 404, "APIGW.0101"),
        ("/elsewhere", 404, "APIGW.0101"),
    ],
)
def test_other_paths_get_an_error(responses_of, name, status, code):
    (response,), _ = responses_of(Behaviour(), name)
    assert (response.status, response.json.get("error_code", response.json.get("code"))) == (status, code)


def test_only_get_is_published(responses_of):
    (response,), _ = responses_of(Behaviour(), TASK_ID, method="POST", body=b"{}")
    assert (response.status, response.json["error_code"]) == (404, "APIGW.0101")


def test_a_task_progresses_with_each_request_over_http(responses_of):
    weights = StatusWeights(success=0, failed=0, executing=0, new=1)
    responses, _ = responses_of(Behaviour(progress=True, weights=weights), *[TASK_ID] * 4)
    assert [response.json["status"] for response in responses] == [0, 1, 2, 2]


def test_latency_depends_on_the_seed_the_task_and_the_number_of_the_request(responses_of, monkeypatch):
    waited = []

    async def remember(seconds):
        waited.append(seconds)

    monkeypatch.setattr("etl.fake_api.handler.asyncio.sleep", remember)
    responses_of(Behaviour(latency_seconds=2, latency_jitter_seconds=1), TASK_ID, TASK_ID)
    responses_of(Behaviour(latency_seconds=2, latency_jitter_seconds=1), TASK_ID, TASK_ID)
    latencies = [seconds for seconds in waited if seconds >= 2]
    assert latencies[:2] == latencies[2:]
    assert len(set(latencies)) == 2
    assert all(2 <= seconds < 3 for seconds in latencies)


def test_the_stand_in_counts_its_requests(responses_of):
    behaviour = Behaviour(faults=(Fault(name="http_503", task_ids=frozenset({"18"})),))
    names = ("/stand-in/stats", "17", "17", "18", "abc", "/stand-in/stats", "/stand-in/stats/tasks")
    responses, api = responses_of(behaviour, *names)
    assert responses[0].json["requests"] == 0
    assert responses[5].json == {
        "requests": 4,
        "by_status": {"200": 2, "400": 1, "503": 1},
        "tasks_asked": 2,
        "most_asks_of_a_task": 2,
        "trace_ids": 1,
        "throttled": 0,
        "rejected": {},
        "faults": {"http_503": 1},
        "refreshes": 0,
        "peak_per_second": 4,
    }
    assert responses[6].json == {"17": 2, "18": 1}
    assert api.stats.trace_ids == {"t" * 58}
    assert list(api.stats.arrivals) == sorted(api.stats.arrivals)


def test_a_reset_zeroes_the_counts_and_keeps_the_progress(ask):
    async def scenario():
        weights = StatusWeights(success=0, failed=0, executing=0, new=1)
        async with FakeApi(Behaviour(progress=True, weights=weights)) as api:
            await ask(api.base_url, TASK_ID)
            reset = await ask(api.base_url, "/stand-in/stats/reset", method="POST")
            return reset, await ask(api.base_url, TASK_ID), api.stats

    reset, second, stats = asyncio.run(scenario())
    assert (reset.status, reset.json["requests"]) == (200, 0)
    assert second.json["status"] == 1
    assert (stats.requests, stats.asks) == (1, Counter({TASK_ID: 1}))


def test_a_task_can_be_overridden_over_http(ask):
    async def scenario():
        async with FakeApi() as api:
            steered = await ask(api.base_url, "/stand-in/world", method="POST", body=OVERRIDE)
            return steered, await ask(api.base_url, TASK_ID), await ask(api.base_url, "list")

    steered, detail, listing = asyncio.run(scenario())
    assert steered.status == 200
    assert (detail.json["status"], detail.json["resultCode"]) == (3, "18000205")
    assert [task["taskId"] for task in listing.json["taskListDtos"]] == [TASK_ID]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"17":{"state":3}}', b'{"17":{"status":"3"}}'])
def test_a_malformed_override_is_rejected(responses_of, body):
    (response,), api = responses_of(Behaviour(), "/stand-in/world", method="POST", body=body)
    assert response.status == 400
    assert response.json["error"]
    assert not api.world.overrides


def test_a_missing_page_of_the_stand_in_is_a_404(responses_of):
    (response,), api = responses_of(Behaviour(), "/stand-in/stats/reset")
    assert response.status == 404
    assert api.stats.requests == 0


def test_the_stand_in_runs_in_a_thread(ask):
    with running_in_thread(Behaviour(seed=3)) as api:
        api.world.overrides["17"] = Override(status=1)
        assert asyncio.run(ask(api.base_url, "17")).json["status"] == 1
        assert api.stats.requests == 1
        port = int(api.base_url.rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_in_use_fails_at_once():
    async def scenario():
        async with FakeApi() as first:
            port = int(first.base_url.rpartition(":")[2])
            async with FakeApi(port=port):
                pass

    with pytest.raises(OSError, match="in use"):
        asyncio.run(scenario())


def test_the_shutdown_does_not_wait_for_slow_responses(ask):
    async def scenario():
        async with FakeApi(Behaviour(latency_seconds=60)) as api:
            waiting = asyncio.create_task(ask(api.base_url, TASK_ID))
            while not api.stats.requests:  # noqa: ASYNC110  the stand-in has no event for it
                await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await waiting

    with pytest.raises(aiohttp.ClientConnectionError):
        asyncio.run(scenario())


@pytest.mark.parametrize(
    ("ordered", "complaint"),
    [
        ({"app_id": "a"}, "both an ID and a secret"),
        ({"app_secret": "s"}, "both an ID and a secret"),
        ({"faults": (Fault(name="gremlins", rate=1),)}, "no fault gremlins"),
        ({"outages": ((5.0, 5.0),)}, "end after it began"),
        ({"outages": ((0.0, 5.0), (-1.0, 1.0))}, "end after it began"),
        ({"flap": (1.0, 0.0)}, "down for some time"),
        ({"flap": (-1.0, 2.0)}, "down for some time"),
    ],
)
def test_a_contradictory_behaviour_is_rejected(ordered, complaint):
    with pytest.raises(ValueError, match=complaint):
        Behaviour(**ordered)


@pytest.mark.parametrize(
    ("moments", "expected"),
    [([], 0), ([5.0], 1), ([0.0, 1.0], 1), ([0.0, 0.999], 2), ([0.0, 0.1, 0.9, 1.0, 1.05, 3.0], 4)],
)
def test_the_peak_counts_requests_within_one_second(moments, expected):
    assert peak_per_second(moments) == expected
