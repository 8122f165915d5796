import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etl.errors import CredentialsRefusedError
from etl.fake_api import Behaviour, FakeApi
from etl.koodrive.client import open_koodrive
from etl.tasks import FetchFailure, Observation, PendingTask
from etl.tasks.failure_reasons import FailureReason
from tests.koodrive.raw_http import APP, APP_BEHAVIOUR, RUN_ID, TASK_ID, TOKEN, header, http


@pytest.mark.parametrize("settings", [{}, APP])
def test_refused_credentials_end_the_run_and_stay_secret(asked, settings):
    async def scenario():
        async with FakeApi(Behaviour(token="Bearer another", app_id="a378331e", app_secret="another")) as api:
            await asked(api.base_url, TASK_ID, TASK_ID, **settings)

    with pytest.raises(CredentialsRefusedError, match="HTTP 401") as caught:
        asyncio.run(scenario())
    assert TOKEN not in str(caught.value)
    assert APP["app_secret"] not in str(caught.value)


def test_credentials_are_renewed_once_for_all_refused_requests(api_settings, tmp_path):
    """A token expires with forty requests in flight."""
    file = tmp_path / "token"
    file.write_text("Bearer 0ld")
    read = []

    async def scenario():
        async with FakeApi(Behaviour(token="Bearer n3w")) as api:
            settings = api_settings(api.base_url, token=None, token_file=file, concurrency=40)
            async with open_koodrive(settings, run_id=RUN_ID, clock=lambda: datetime.now(UTC)) as koodrive:
                file.write_text("Bearer n3w")
                read_text = Path.read_text
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(
                        Path, "read_text", lambda *given, **named: read.append(1) or read_text(*given, **named)
                    )
                    tasks = [PendingTask(task_id=str(number)) for number in range(40)]
                    refused = await asyncio.gather(*map(koodrive.ask, tasks))
                    return refused, await asyncio.gather(*map(koodrive.ask, tasks))

    refused, answered = asyncio.run(scenario())
    assert {failure.reason for failure in refused} == {FailureReason.UNAUTHORIZED}
    assert all(isinstance(outcome, Observation) for outcome in answered)
    assert len(read) == 1


@pytest.mark.parametrize(
    ("behaviour", "settings"),
    [
        ({"session_id": "s3ssion"}, {"session_id": "s3ssion"}),
        ({"refresh_token": "r3fresh"}, {"refresh_token": "r3fresh"}),
    ],
)
def test_a_session_is_refreshed_each_time_its_token_expires(asked_stand_in, behaviour, settings):
    expiring = Behaviour(token=f"Bearer {TOKEN}", token_uses=2, **behaviour)
    outcomes, api = asked_stand_in(expiring, *[TASK_ID] * 9, **settings)
    refused = [isinstance(outcome, FetchFailure) for outcome in outcomes]
    assert refused == [False, False, True] * 3
    assert api.stats.refreshes == 3


def test_a_refused_session_ends_the_run(asked_stand_in):
    expiring = Behaviour(token=f"Bearer {TOKEN}", token_uses=0, session_id="an0ther")
    with pytest.raises(CredentialsRefusedError, match="cannot be renewed: HTTP 401") as caught:
        asked_stand_in(expiring, session_id="s3ssion")
    assert "s3ssion" not in str(caught.value)


def test_a_connection_that_breaks_during_a_refresh_ends_the_run(asked_scripted):
    refused = http(b"{}", status="401 Unauthorized")
    with pytest.raises(CredentialsRefusedError, match="cannot be renewed: ServerDisconnectedError"):
        asked_scripted(refused, None, session_id="s3ssion")


@pytest.mark.parametrize("seconds", [-3600, -600, 600, 3600])
@pytest.mark.parametrize("auth", ["app", "token"])
def test_the_date_of_a_refusal_corrects_a_wrong_clock(asked_stand_in, seconds, auth):
    behaviour, settings = (APP_BEHAVIOUR, APP) if auth == "app" else (Behaviour(), {})
    skewed = replace(behaviour, clock_offset_seconds=seconds)
    outcomes, _ = asked_stand_in(skewed, *[TASK_ID] * 3, **settings)
    is_refused = seconds > 15 * 60 or seconds < 0
    assert [isinstance(outcome, Observation) for outcome in outcomes] == [not is_refused, True, True]


@pytest.mark.parametrize(
    "date", ["Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2300", "Mon, 01 Jan 0001 00:00:00 +2300"]
)
def test_a_date_at_the_end_of_the_calendar_corrects_no_clock(asked_scripted, date):
    refused = http(b"{}", status="401 Unauthorized", headers=[f"Date: {date}"])
    (_, seen, again), _ = asked_scripted(refused, http(), times=3)
    assert isinstance(seen, Observation)
    assert isinstance(again, Observation)


NEW_TOKEN = "n3w-t0ken-of-the-session"


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"accessToken": 17},
        {"accessToken": ["x"]},
        {"accessToken": '"level":'},
        {"accessToken": "short"},
        {"accessToken": "x" * 8_193},
        {"accessToken": NEW_TOKEN + "\n"},
        {},
    ],
)
def test_an_odd_answer_to_a_refresh_ends_the_run(asked_scripted, answer):
    refused = http(b"{}", status="401 Unauthorized")
    with pytest.raises(CredentialsRefusedError, match="token-not-renewed"):
        asked_scripted(refused, http(json.dumps(answer).encode()), session_id="s3ssion")


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"data": []},
        {"data": "x"},
        {"data": {"sessionInfo": [NEW_TOKEN]}},
        {"data": {"accessToken": NEW_TOKEN, "refreshToken": 17}},
        {"data": {"accessToken": NEW_TOKEN, "refreshToken": "level"}},
        {"data": None},
    ],
)
def test_an_odd_answer_of_the_carrier_ends_the_run(asked_scripted, answer):
    refused = http(b"{}", status="401 Unauthorized")
    with pytest.raises(CredentialsRefusedError, match="token-not-renewed"):
        asked_scripted(refused, http(json.dumps(answer).encode()), refresh_token="r3fresh")


@pytest.mark.parametrize("depth", ["data", "sessionInfo"])
def test_a_token_of_the_carrier_is_found_where_the_table_and_the_example_have_it(asked_scripted, depth):
    tokens = {"accessToken": f"AT {NEW_TOKEN}", "refreshToken": NEW_TOKEN, "expiresIn": 1800}
    answer = {"data": tokens if depth == "data" else {"sessionInfo": tokens}}
    refused = http(b"{}", status="401 Unauthorized")
    (_, seen), server = asked_scripted(
        refused, http(json.dumps(answer).encode()), http(), times=2, refresh_token="r3fresh"
    )
    assert isinstance(seen, Observation)
    assert header(server.requests[-1], "Authorization") == f"AT {NEW_TOKEN}"
