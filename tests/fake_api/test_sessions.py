import asyncio
import time

import pytest

from etl.fake_api import Behaviour, FakeApi

TASK_ID = "1534087020903704704"

REFRESH = "/koodrive/ose/v1/session/refresh"

CARRIER_REFRESH = "/koodrive/ose/v1/auth/refreshToken"

FIRST_TOKEN = "Bearer first"

ORDERED = {"token": FIRST_TOKEN, "session_id": "session", "refresh_token": "refresh"}


@pytest.fixture
def visit(ask):
    """Run a scenario against a stand-in; the scenario receives three ways to send requests."""

    def run(scenario, **ordered):
        async def visited():
            async with FakeApi(Behaviour(**ordered)) as api:

                async def task(token):
                    return await ask(api.base_url, TASK_ID, headers={"Authorization": token})

                async def renew(token, session_id="session"):
                    sent = {"Authorization": token, "x-session-id": session_id, "X-Date": None, "X-User-Id": None}
                    return await ask(api.base_url, REFRESH, method="POST", headers=sent)

                async def renew_carrier(token, body=b'{"refreshToken":"refresh"}'):
                    sent = {"Authorization": token, "X-Date": None, "X-User-Id": None}
                    return await ask(api.base_url, CARRIER_REFRESH, method="POST", headers=sent, body=body)

                return await scenario(task, renew, renew_carrier), api.stats

        return asyncio.run(visited())

    return run


def test_a_renewed_token_replaces_the_old_one(visit):
    async def scenario(task, renew, _renew_carrier):
        renewed = await renew(FIRST_TOKEN)
        return renewed, await task(renewed.json["accessToken"]), await task(FIRST_TOKEN)

    (renewed, with_new, with_old), stats = visit(scenario, **ORDERED)
    assert (renewed.status, renewed.json["code"], renewed.json["msg"]) == (200, 0, "success")
    prefix, digits = renewed.json["accessToken"].split(" ")
    assert (prefix, len(digits), set(digits) <= set("0123456789abcdef")) == ("Bearer", 48, True)
    assert (with_new.status, with_old.status, with_old.json["error_code"]) == (200, 401, "APIGW.0301")
    assert stats.summary()["refreshes"] == 1
    assert (stats.requests, stats.asks[TASK_ID], stats.rejected) == (3, 2, {"wrong_token": 1})


def test_the_carrier_edition_renews_a_token(visit):
    async def scenario(task, _renew, renew_carrier):
        renewed = await renew_carrier(FIRST_TOKEN)
        return renewed, await task(renewed.json["data"]["sessionInfo"]["accessToken"])

    (renewed, detail), stats = visit(scenario, **ORDERED)
    assert detail.status == 200
    assert stats.refreshes == 1
    session = renewed.json["data"]["sessionInfo"]
    assert session["accessToken"].startswith("AT ")
    assert len(session["accessToken"]) == 51
    assert (session["expiresIn"], session["refreshToken"]) == (1800, "refresh")
    assert int(session["issuedAt"]) / 1000 == pytest.approx(time.time(), abs=60)


def test_tokens_depend_on_the_seed_and_the_number_of_renewals(visit):
    async def scenario(_task, renew, _renew_carrier):
        return [(await renew(FIRST_TOKEN)).json["accessToken"] for _ in range(2)]

    first, second, other = (visit(scenario, seed=seed, **ORDERED)[0] for seed in (1, 1, 2))
    assert first == second
    assert len({*first, *other}) == 4


@pytest.mark.parametrize(
    ("token", "session_id", "reason"),
    [
        (FIRST_TOKEN, "guess", "wrong_session"),
        (FIRST_TOKEN, None, "wrong_session"),
        ("Bearer stolen", "session", "wrong_token"),
        (None, "session", "no_authorization"),
    ],
)
def test_wrong_secrets_renew_no_token(visit, token, session_id, reason):
    async def scenario(task, renew, _renew_carrier):
        return await renew(token, session_id), await task(FIRST_TOKEN)

    (refused, detail), stats = visit(scenario, **ORDERED)
    assert (refused.status, detail.status) == (401, 200)
    assert (stats.rejected, stats.refreshes) == ({reason: 1}, 0)


@pytest.mark.parametrize(
    ("body", "status"), [(b'{"refreshToken":"guess"}', 401), (b"{}", 400), (b"", 400), (b'{"refreshToken":1}', 400)]
)
def test_wrong_bodies_renew_no_token_in_the_carrier_edition(visit, body, status):
    async def scenario(_task, _renew, renew_carrier):
        return await renew_carrier(FIRST_TOKEN, body)

    refused, stats = visit(scenario, **ORDERED)
    assert (refused.status, stats.refreshes) == (status, 0)


@pytest.mark.parametrize("ordered", [{}, {"session_id": "session"}, {"refresh_token": "refresh"}])
def test_a_renewal_call_is_published_only_if_configured(visit, ordered):
    async def scenario(_task, renew, renew_carrier):
        return [(await call("Bearer any")).status == 200 for call in (renew, renew_carrier)]

    assert visit(scenario, **ordered)[0] == ["session_id" in ordered, "refresh_token" in ordered]


def test_a_token_expires_after_its_uses_and_can_be_renewed(visit):
    async def scenario(task, renew, _renew_carrier):
        responses = [await task(FIRST_TOKEN) for _ in range(3)]
        token = (await renew(FIRST_TOKEN)).json["accessToken"]
        return responses + [await task(token) for _ in range(3)]

    responses, stats = visit(scenario, token_uses=2, **ORDERED)
    assert [response.status for response in responses] == [200, 200, 401, 200, 200, 401]
    assert responses[2].json["error_code"] == "APIGW.0307"
    assert stats.rejected == {"token_expired": 2}


def test_a_rejected_request_does_not_use_up_a_token(visit):
    async def scenario(task, _renew, _renew_carrier):
        return [(await task(token)).status for token in ("Bearer stolen", FIRST_TOKEN, FIRST_TOKEN)]

    assert visit(scenario, token=FIRST_TOKEN, token_uses=1)[0] == [401, 200, 401]
