import asyncio
import itertools

import pytest

from etl.fake_api import Behaviour, FakeApi
from etl.fake_api.outages import Outages

TASK_ID = "1534087020903704704"


@pytest.mark.parametrize(
    ("outages", "flap", "expected"),
    [
        ((), None, []),
        (((0.0, 2.0),), None, [0, 1]),
        (((2.0, 4.0), (3.0, 5.0), (9.0, float("inf"))), None, [2, 3, 4, 9, 10, 11]),
        ((), (3.0, 1.0), [3, 7, 11]),
        ((), (0.0, 1.0), list(range(12))),
        (((0.0, 1.0),), (3.0, 2.0), [0, 3, 4, 8, 9]),
    ],
)
def test_outages_last_for_the_configured_seconds(outages, flap, expected):
    planned = Outages(outages, flap)
    assert [second for second in range(12) if planned.are_on(1000.0 + second)] == expected


@pytest.mark.parametrize("ordered", [{"outages": ((1.0, 3.0),)}, {"flap": (1.0, 2.0)}])
def test_every_response_in_an_outage_is_a_503_page(ask, ordered):
    responses, api = _request_every_second(ask, Behaviour(**ordered), 4)
    assert [response.status for response in responses] == [200, 503, 503, 200]
    assert responses[1].content_type == "text/html"
    assert api.stats.asks[TASK_ID] == 4


@pytest.mark.parametrize(
    ("page", "status", "content_type"),
    [("html_404", 404, "text/html"), ("json_200", 200, "application/json"), ("html_302", 302, "text/html")],
)
def test_another_page_can_stand_for_an_outage(ask, page, status, content_type):
    responses, _ = _request_every_second(ask, Behaviour(outages=((1.0, 2.0),), outage_page=page), 3)
    assert [response.status for response in responses] == [200, status, 200]
    assert responses[1].content_type == content_type


def test_an_unknown_page_is_refused():
    with pytest.raises(ValueError, match="There is no page html_299"):
        Behaviour(outage_page="html_299")


def test_an_outage_comes_before_admission_and_after_the_rate(ask):
    behaviour = Behaviour(outages=((0.0, 9.0),), token="another", rate=1)
    responses, _ = _request_every_second(ask, behaviour, 2, tick=0.5)
    assert [response.status for response in responses] == [503, 429]


def _request_every_second(ask, behaviour, number, tick=1.0):
    async def scenario():
        async with FakeApi(behaviour, clock=itertools.count(50.0, tick).__next__) as api:
            return [await ask(api.base_url, TASK_ID) for _ in range(number)], api

    return asyncio.run(scenario())
