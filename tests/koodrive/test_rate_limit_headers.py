from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import inf, isfinite

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from etl.koodrive.rate_limit_headers import READERS, Advice, advice

NOW = datetime(2026, 11, 7, 1, 2, 3, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
SENTENCE = "The throttling threshold has been reached: policy {} over ratelimit,limit:{},time:{}"
NOTHING = Advice()


def read(headers, message=""):
    return advice(CIMultiDictProxy(CIMultiDict(headers)), message, now=NOW)


WAITS = {
    "seconds": ({"Retry-After": "120"}, 120),
    "no seconds": ({"Retry-After": "0"}, 0),
    "a day": ({"Retry-After": "86400"}, 86_400),
    "300 years": ({"Retry-After": "9999999999"}, 9_999_999_999),
    "a part of a second": ({"Retry-After": "1.5"}, 1.5),
    "blanks": ({"Retry-After": "  7 "}, 7),
    "lower case": ({"retry-after": "7"}, 7),
    "upper case": ({"RETRY-AFTER": "7"}, 7),
    "a date": ({"Retry-After": "Sat, 07 Nov 2026 01:03:03 GMT"}, 60),
    "a date of RFC 850": ({"Retry-After": "Saturday, 07-Nov-26 01:03:03 GMT"}, 60),
    "a date of asctime": ({"Retry-After": "Sat Nov  7 01:03:03 2026"}, 60),
    "a date by the server's clock": (
        {"Retry-After": "Sat, 07 Nov 2026 05:00:30 GMT", "Date": "Sat, 07 Nov 2026 05:00:00 GMT"},
        30,
    ),
    "a date and a server without the time": (
        {"Retry-After": "Sat, 07 Nov 2026 01:03:03 GMT", "Date": "yesterday"},
        60,
    ),
    "milliseconds": ({"retry-after-ms": "250"}, 0.25),
    "Azure's milliseconds": ({"x-ms-retry-after-ms": "1500"}, 1.5),
    "the older draft": ({"RateLimit-Limit": "10", "RateLimit-Remaining": "0", "RateLimit-Reset": "50"}, 50),
    "the older draft, some left": ({"RateLimit-Remaining": "1", "RateLimit-Reset": "50"}, None),
    "the newer draft": ({"RateLimit": '"default";r=0;t=30'}, 30),
    "the newer draft, a bare name": ({"RateLimit": "default;r=0;t=30"}, 30),
    "the newer draft, some left": ({"RateLimit": '"default";r=50;t=30'}, None),
    "the newer draft, two policies": ({"RateLimit": '"day";r=0;t=300, "second";r=0;t=1, "b";r=1;t=900'}, 300),
    "the newer draft, a hostile name": ({"RateLimit": '"a;r=0;t=900,b";r=1;t=1'}, None),
    "the newer draft, without a time": ({"RateLimit": "default;r=0"}, 0),
    "a distance": ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "60"}, 60),
    "an epoch": ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(EPOCH + 60)}, 60),
    "an epoch, some left": ({"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": str(EPOCH + 60)}, None),
    "a reset alone": ({"X-RateLimit-Reset": "60"}, None),
    "nothing left, without a time": ({"X-RateLimit-Remaining": "0"}, 0),
    "the reset of another": ({"X-RateLimit-Remaining": "0", "RateLimit-Reset": "60"}, 0),
    "Huawei's gateway": ({"X-Apig-RateLimit-api": "remain:0,limit:10,time:10 second"}, 10),
    "Huawei's gateway, some left": ({"X-Apig-RateLimit-api": "remain:9,limit:10,time:10 second"}, None),
    "Huawei's gateway, the longest": (
        {
            "X-Apig-RateLimit-user": "remain:0,limit:10,time:1 minute",
            "X-Apig-RateLimit-app": "remain:0,limit:10,time:10 second",
            "X-Apig-RateLimit-api-allenv": "remain:199,limit:200,time:1 day",
        },
        60,
    ),
    "Retry-After before all": (
        {
            "retry-after-ms": "99000",
            "RateLimit": "a;r=0;t=98",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "97",
            "X-Apig-RateLimit-ip": "remain:0,limit:1,time:1 hour",
            "Retry-After": "1",
        },
        1,
    ),
    "milliseconds before a window": ({"RateLimit": "a;r=0;t=98", "retry-after-ms": "2000"}, 2),
    "no sense in Retry-After": ({"Retry-After": "soon", "RateLimit": "a;r=0;t=98"}, 98),
    "twice": ([("Retry-After", "1"), ("Retry-After", "7"), ("Retry-After", "soon")], 7),
    "none": ({"Content-Type": "application/json"}, None),
}


@pytest.mark.parametrize(("headers", "seconds"), WAITS.values(), ids=WAITS)
def test_the_headers_name_how_long_to_wait(headers, seconds):
    assert read(headers).wait_seconds == seconds


@pytest.mark.parametrize(
    ("message", "rate"),
    [
        (SENTENCE.format("api", 200, "1 second"), 200),
        (SENTENCE.format("user", 30, "1 minute"), 0.5),
        (SENTENCE.format("app", 3600, "1 hour"), 1),
        (SENTENCE.format("ip", 864, "10 day"), 0.001),
        (SENTENCE.format("ip", 10, "1 minute") + ", try later", 1 / 6),
        (SENTENCE.format("api", 0, "1 second"), None),
        (SENTENCE.format("api", 10, "0 second"), None),
        (SENTENCE.format("api", -1, "1 second"), None),
        (SENTENCE.format("api", 10, "1 fortnight"), None),
        (SENTENCE.format("api", "9" * 100_000, "1 second"), None),
        ("over ratelimit,limit:" * 50_000, None),
        ("slow down", None),
    ],
)
def test_the_gateways_sentence_names_a_rate(message, rate):
    assert read({}, message) == Advice(allowed_rate=rate)


RATES = {
    "Huawei's gateway": ({"X-Apig-RateLimit-api": "remain:9,limit:10,time:10 second"}, 1),
    "Huawei's gateway, minutes": ({"x-apig-ratelimit-user": "remain:9,limit:30,time:1 minute"}, 0.5),
    "Huawei's gateway, the strictest": (
        {
            "X-Apig-RateLimit-api": "remain:199,limit:200,time:1 second",
            "X-Apig-RateLimit-ip": "remain:9,limit:20,time:10 second",
        },
        2,
    ),
    "a policy": ({"RateLimit-Policy": '"default";q=100;w=60'}, 100 / 60),
    "policies": ({"RateLimit-Policy": '"burst";q=10;w=1, "day";q=86400;w=86400'}, 1),
    "policies in two lines": ([("RateLimit-Policy", "a;q=10;w=1"), ("RateLimit-Policy", "b;q=5;w=1")], 5),
    "a policy of bytes": ({"RateLimit-Policy": '"a";q=65535;qu="content-bytes";w=10, "b";q=30;w=10'}, 3),
    "a policy of requests": ({"RateLimit-Policy": '"a";q=30;qu="requests";w=10;pk=:Y29t:'}, 3),
    "a policy without a window": ({"RateLimit-Policy": "a;q=100"}, None),
    "a limit": ({"RateLimit-Limit": "100"}, None),
    "a limit and windows": ({"RateLimit-Limit": "10, 10;w=1;burst=1000, 100;w=60"}, 100 / 60),
    "another limit": ({"X-RateLimit-Limit": "5000"}, None),
}


@pytest.mark.parametrize(("headers", "rate"), RATES.values(), ids=RATES)
def test_the_headers_name_the_allowed_rate(headers, rate):
    assert read(headers) == Advice(allowed_rate=rate)


def test_the_strictest_of_headers_and_message_counts():
    headers = {"X-Apig-RateLimit-api": "remain:0,limit:10,time:1 second"}
    expected = Advice(wait_seconds=1, allowed_rate=0.5)
    assert read(headers, SENTENCE.format("user", 30, "1 minute")) == expected


SENSELESS = {
    "Retry-After": [
        *[
            "",
            "soon",
            "-5",
            "+5",
            "1e3",
            "nan",
            "inf",
            "Infinity",
            "0x10",
            "1_000",
            "\uff15",
            "5 s",
            "5, 10",
            "9" * 8000,
        ],
        *["Fri, 31 Dec 1999 23:59:59 GMT", "Sat, 07 Nov 2026 01:02:02 GMT", "Sat, 07 Nov 2026", "07 Nov 2026 01:03"],
        *["Sat, 07 Nov 99999999 01:03:03 GMT", "Sat, 99 Nov 2026 01:03:03 GMT", "1 Jan 2027 01:02:03 +9999999999"],
    ],
    "retry-after-ms": ["soon", "-1", "inf", ""],
    "x-ms-retry-after-ms": ["soon", "-1"],
    "X-Apig-RateLimit-api": [
        *["", "remain:0", "remain:0,limit:0,time:1 second", "remain:0,limit:1,time:0 second"],
        *["remain:-1,limit:1,time:1 second", "remain:0,limit:1,time:1 fortnight", "limit:1,time:1 second"],
        "remain:0,limit:" + "9" * 8000 + ",time:1 second",
    ],
    "RateLimit": ["", "default", "default;r=;t=1", "a;r=0;t=-1", "a;r=x", '"a";r=0;t=soon', "a;r=0;t=1,", ";;;,"],
    "RateLimit-Policy": ["", "a", "a;q=0;w=1", "a;q=1;w=0", "a;q=-1;w=1", "a;q=1;w=x", "a;q=" + "9" * 400 + ";w=1"],
    "RateLimit-Limit": ["many", "10;w=0", "10;w=x", "0." + "0" * 400 + "1;w=1"],
    "RateLimit-Remaining": ["", "few", "-1"],
    "X-RateLimit-Remaining": ["", "few", "-1"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in SENSELESS.items() for value in values])
def test_a_senseless_header_is_ignored_and_reported(name, value):
    found = read({name: value})
    assert (found.wait_seconds, found.allowed_rate) == (None, None)
    assert found.ignored is not None
    assert found.ignored == f"{name} {value[:64]!r}"


@pytest.mark.parametrize("family", ["RateLimit", "X-RateLimit"])
@pytest.mark.parametrize("reset", ["-1", "later", str(EPOCH - 1), "1e9", "9" * 400])
def test_a_senseless_reset_leaves_the_wait_open(family, reset):
    found = read({f"{family}-Remaining": "0", f"{family}-Reset": reset})
    assert found == Advice(wait_seconds=0, ignored=f"{family}-Reset {reset[:64]!r}")


def test_the_first_senseless_header_is_reported():
    assert read({"RateLimit": "?", "Retry-After": "soon"}).ignored == "RateLimit '?'"


@given(seconds=st.integers(0, 10**9))
def test_a_date_is_the_seconds_until_then(seconds):
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert read({"Retry-After": date}) == Advice(wait_seconds=seconds)


WORDS = [
    "0",
    "1",
    "9" * 30,
    "-",
    ".",
    ",",
    ";",
    "=",
    ":",
    '"',
    " ",
    "r",
    "t",
    "q",
    "w",
    "=0",
    ";r=0",
    ";t=9",
    ";q=1;w=1",
]
WORDS += [
    "remain:",
    "limit:",
    "time:",
    "1 second",
    "over ratelimit,",
    "Sat, ",
    "07 Nov 2026",
    " 01:03:03",
    " GMT",
    "nan",
]
TEXTS = st.text(max_size=40) | st.lists(st.sampled_from(WORDS), max_size=12).map("".join)
NAMES = st.sampled_from([*READERS, *(name.title() for name in READERS), "Date", "Other"])


@given(headers=st.lists(st.tuples(NAMES, TEXTS), max_size=6), message=TEXTS)
@example(headers=[("Date", "1 Jan 0001 00:00:00 +2359"), ("Retry-After", "31 Dec 9999 23:59:59 -2359")], message="")
@example(headers=[("Date", "1 Jan 1970 00:00:00 +99999999999999999999")], message="")
def test_no_header_causes_an_error(headers, message):
    found = read(headers, message)
    assert found.wait_seconds is None or 0 <= found.wait_seconds < inf
    assert found.allowed_rate is None or (found.allowed_rate > 0 and isfinite(found.allowed_rate))
    assert found.ignored is None or (len(found.ignored) < 1000 and found.ignored.isprintable())
    assert found == read(list(headers), message)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("piece", ["9", '"', '\\"', ",", ";", "a;q=1;w=1,", ":", "Sat, ", "(", " 01:02:03"])
def test_a_long_header_is_read_in_linear_time(name, piece):
    found = read({name: piece * 100_000, "Date": piece * 100_000})
    assert found.ignored is None or len(found.ignored) < 200


def test_no_headers_give_no_advice():
    assert advice({}, "", now=NOW) == NOTHING
