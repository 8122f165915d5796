import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from multidict import CIMultiDict

from etl.fake_api import Behaviour
from etl.fake_api.admission import REJECTION_RESPONSES, RateWindow, Rejection, find_rejection
from etl.fake_api.stats import peak_per_second
from etl.koodrive.signature import RequestToSign, format_x_date, sign

TASK_ID = "1534087020903704704"

PATH = f"/koodrive/ose/v1/task/{TASK_ID}"

NOW = datetime(2024, 9, 9, 3, 33, 25, 500_000, tzinfo=UTC)

APP = {"app_id": "a378331e", "app_secret": "invented"}

TOKEN = "Bearer 0123456789abcdef"


def headers(*, signed_path=None, signed_query=(), now=NOW, secret=APP["app_secret"], **changed):
    given = CIMultiDict({"Host": "127.0.0.1:8080", "X-Date": format_x_date(now), "X-User-Id": "1505084218764547200"})
    if signed_path is not None:
        given["Authorization"] = sign(
            RequestToSign(raw_path=signed_path, query=signed_query, headers=given), app_id="a378331e", app_secret=secret
        )
    given.update({"Authorization": TOKEN, "X-Traceid": "t" * 58} | dict(given))
    for name, value in changed.items():
        given.pop(name.replace("_", "-"), None)
        if value is not None:
            given[name.replace("_", "-")] = value
    return given


def rejection(given, *, raw_path=PATH, **behaviour):
    return find_rejection("GET", raw_path, headers=given, behaviour=Behaviour(**behaviour), now=NOW)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, None),
        ({"Authorization": None}, Rejection.NO_AUTHORIZATION),
        ({"Authorization": ""}, Rejection.NO_AUTHORIZATION),
        ({"X_User_Id": None}, Rejection.NO_USER_ID),
        ({"X_Traceid": None}, None),
        ({"X_Traceid": "t" * 57}, Rejection.TRACE_ID_LENGTH),
        ({"X_Traceid": "t" * 59}, Rejection.TRACE_ID_LENGTH),
        ({"X_Date": None}, Rejection.NO_DATE),
        ({"X_Date": "2024-09-09T03:33:25Z"}, Rejection.DATE_MALFORMED),
        ({"now": NOW + timedelta(seconds=1)}, Rejection.DATE_IN_FUTURE),
        ({"now": NOW - timedelta(minutes=15)}, None),
        ({"now": NOW - timedelta(minutes=15, seconds=1)}, Rejection.DATE_TOO_OLD),
    ],
)
def test_required_headers_are_checked(changed, expected):
    assert rejection(headers(**changed)) == expected


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [(TOKEN, None), (TOKEN + "0", Rejection.WRONG_TOKEN), ("Bearer ümlaut", Rejection.WRONG_TOKEN)],
)
def test_a_token_is_checked(authorization, expected):
    assert rejection(headers(Authorization=authorization), token=TOKEN) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (headers(signed_path=PATH), None),
        (headers(signed_path=PATH + "1"), Rejection.WRONG_SIGNATURE),
        (headers(signed_path=PATH, secret="another"), Rejection.WRONG_SIGNATURE),
        (headers(signed_path=PATH, X_User_Id="1"), Rejection.WRONG_SIGNATURE),
        (headers(signed_path=PATH, Host="elsewhere"), Rejection.WRONG_SIGNATURE),
        (headers(Authorization="HMAC-SHA256 AppId=a378331e"), Rejection.WRONG_SIGNATURE),
        (headers(Authorization="HMAC-SHA256 AppId=a378331e,SignedHeaders=host,Signature=0"), Rejection.UNSIGNED_HEADER),
        (headers(Authorization=TOKEN), Rejection.WRONG_SIGNATURE),
    ],
)
def test_a_signature_is_checked(given, expected):
    assert rejection(given, **APP) == expected


def test_the_order_of_a_query_does_not_change_its_signature():
    given = headers(signed_path="/list", signed_query=(("status", "2"), ("pageCursor", "")))
    assert rejection(given, raw_path="/list?status=2&pageCursor=", **APP) is None
    assert rejection(given, raw_path="/list?pageCursor&status=2", **APP) is None
    assert rejection(given, raw_path="/list?status=3&pageCursor=", **APP) == Rejection.WRONG_SIGNATURE


def test_a_request_passes_with_the_token_or_with_the_app():
    assert rejection(headers(), token=TOKEN, **APP) is None
    assert rejection(headers(signed_path=PATH), token=TOKEN, **APP) is None
    assert rejection(headers(Authorization="Bearer stolen"), token=TOKEN, **APP) == Rejection.WRONG_TOKEN


def test_every_rejection_has_a_response():
    assert set(REJECTION_RESPONSES) == set(Rejection)


@pytest.mark.parametrize(
    ("behaviour", "sent", "status", "code", "reason"),
    [
        (Behaviour(), {"Authorization": None}, 401, "APIGW.0301", "no_authorization"),
        (Behaviour(token=TOKEN), {}, 401, "APIGW.0301", "wrong_token"),
        (Behaviour(**APP), {}, 401, "APIGW.0303", "wrong_signature"),
        (Behaviour(), {"X-Date": "20240909T033325Z"}, 401, "APIGW.0303", "date_too_old"),
        (Behaviour(), {"X-Date": "29990909T033325Z"}, 401, "APIGW.0303", "date_in_future"),
        (Behaviour(), {"X-User-Id": None}, 400, 13000102, "no_user_id"),
        (Behaviour(), {"X-Traceid": "short"}, 400, 13000102, "trace_id_length"),
    ],
)
def test_a_rejected_request_gets_its_error_over_http(responses_of, behaviour, sent, status, code, reason):
    (response,), api = responses_of(behaviour, TASK_ID, headers=sent)
    assert (response.status, response.json.get("error_code", response.json.get("code"))) == (status, code)
    assert api.stats.rejected == {reason: 1}
    assert api.stats.by_status == {status: 1}


def test_a_signed_request_is_admitted_over_http(responses_of):
    signed = {"Host": "cn.myhuaweicloud-koodrive.com", "X-Date": format_x_date(datetime.now(UTC)), "X-User-Id": "1"}
    authorization = sign(RequestToSign(raw_path=PATH, headers=signed), **APP)
    (response,), _ = responses_of(Behaviour(**APP), TASK_ID, headers=signed | {"Authorization": authorization})
    assert (response.status, response.json["taskId"]) == (200, TASK_ID)


def test_the_rate_window_accepts_again_after_exactly_one_second():
    window = RateWindow(2)
    arrivals = [0.0, 0.75, 0.875, 0.999, 1.0, 1.5, 1.75, 1.875]
    assert [window.admits(now) for now in arrivals] == [True, True, False, False, True, False, True, False]


def test_the_rate_window_holds_in_any_second():
    dice = random.Random(1)
    arrivals = sorted(dice.uniform(0, 20) for _ in range(2000))
    window = RateWindow(30)
    accepted = [now for now in arrivals if window.admits(now)]
    assert peak_per_second(accepted) == 30
    assert peak_per_second(arrivals) > 60
    assert len(accepted) > 500


def test_requests_above_the_rate_get_a_429(responses_of):
    responses, api = responses_of(Behaviour(rate=3), *[TASK_ID] * 8)
    assert [response.status for response in responses[:4]] == [200, 200, 200, 429]
    assert responses[3].json["error_code"] == "APIGW.0308"
    assert "policy api over ratelimit,limit:3,time:1 second" in responses[3].json["error_msg"]
    assert "Retry-After" not in responses[3].headers
    assert api.stats.throttled == sum(response.status == 429 for response in responses)
    assert api.stats.asks[TASK_ID] == 8


def test_a_429_can_name_the_wait_and_hide_the_limit(responses_of):
    (_, excess), _ = responses_of(Behaviour(rate=1, silent_limit=True, retry_after=0), TASK_ID, TASK_ID)
    assert (excess.status, excess.json["error_code"], excess.headers["Retry-After"]) == (429, "APIGW.0308", "0")
    assert "limit:" not in excess.json["error_msg"]


@pytest.mark.parametrize("offset_seconds", [-3600.0, 3600.0])
def test_a_wrong_clock_rejects_correct_dates(responses_of, offset_seconds):
    its_now = datetime.now(UTC) + timedelta(seconds=offset_seconds)
    behaviour = Behaviour(clock_offset_seconds=offset_seconds)
    (refused,), api = responses_of(behaviour, TASK_ID)
    assert refused.status == 401
    assert api.stats.rejected == {"date_in_future" if offset_seconds < 0 else "date_too_old": 1}
    assert abs(parsedate_to_datetime(refused.headers["Date"]) - its_now) < timedelta(seconds=30)
    (accepted,), _ = responses_of(behaviour, TASK_ID, headers={"X-Date": format_x_date(its_now)})
    assert accepted.status == 200
