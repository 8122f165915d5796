"""A secret is found in whatever form it comes back, and nothing else is taken for one."""

import io
import json
import logging
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC
from itertools import product
from urllib.parse import quote, quote_plus

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from etl.observe.logs import configure_logs
from etl.redaction import MASK, Secrets, remember
from etl.settings.secret_values import secrets_in, secrets_in_variables
from tests.canary import FORMS

SECRET = "CANARY/a+b?c~d>e='f<=\u00fc"


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_found_wherever_it_stands(form):
    secrets = Secrets()
    secrets.remember("another-one", SECRET)
    for before, after in product(["", "B", "Be", "Bearer ", "user:"], ["", "!", "!!"]):
        written = FORMS[form](before + SECRET + after)

        shown = secrets.redact(f"he said {written}.")

        assert MASK in shown
        # What is left of base64 are the digits that a neighbour has a part in.
        around = len(FORMS[form](before)) + len(FORMS[form](after)) + 4
        assert len(shown.replace(MASK, "")) <= len("he said .") + around


@given(secret=st.text(min_size=6, max_size=80), around=st.text(max_size=20))
def test_any_secret_is_taken_out_of_any_text(secret, around):
    secrets = Secrets()
    secrets.remember(secret)
    octets = (around + secret).encode(errors="surrogateescape") if _is_storable(around + secret) else b""

    assert secret not in secrets.redact(around + secret).replace(MASK, "") or secret in MASK
    if octets:
        assert MASK in secrets.redact(b64encode(octets).decode())
        assert MASK in secrets.redact(urlsafe_b64encode(octets).decode())
        assert MASK in secrets.redact(quote(octets))
        assert MASK in secrets.redact(quote_plus(octets))
        assert MASK in secrets.redact(json.dumps(around + secret))


def _is_storable(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def test_what_is_shorter_than_any_secret_garbles_no_word():
    secrets = Secrets()
    secrets.remember("", "t", "abcde")

    assert secrets.redact("abcdef, not t") == "abcdef, not t"


def test_a_secret_that_is_part_of_another_leaves_nothing_of_it():
    secrets = Secrets()
    secrets.remember("CANARY-1", "CANARY-1-longer")

    assert secrets.redact("CANARY-1-longer CANARY-1") == f"{MASK} {MASK}"


TOKEN = "Qx7-" + "".join(f"{number:x}z" for number in range(400))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"token {TOKEN[:12]} is expired", f"token {MASK} is expired"),
        (f"token {TOKEN[:11]} is short", f"token {TOKEN[:11]} is short"),
        (f"({TOKEN[:40]}...{TOKEN[-12:]})", f"({MASK}...{MASK})"),
        (f"0123456789{TOKEN[300:].upper()}!", f"0123456789{MASK}!"),
        (f"\u0130\u00df{TOKEN[7:90]}\u0130", f"\u0130\u00df{MASK}\u0130"),
        (TOKEN[:20] * 3, MASK),
        (TOKEN[100:111] + "-" + TOKEN[111:122], TOKEN[100:111] + "-" + TOKEN[111:122]),
    ],
)
def test_a_part_of_a_long_secret_is_masked(text, shown):
    secrets = Secrets()
    secrets.remember(TOKEN)

    assert secrets.redact(text) == shown


@given(begin=st.integers(0, 700), length=st.integers(12, 200), before=st.text(max_size=30), after=st.text(max_size=9))
def test_a_part_is_masked_wherever_it_stands(begin, length, before, after):
    secrets = Secrets()
    secrets.remember(TOKEN)
    part = TOKEN[begin : begin + length]

    shown = secrets.redact(before + part + after)

    # A neighbour may go on as the secret does.
    assert shown.endswith(after) or after[0].casefold() in TOKEN.casefold()
    assert not any(part[at : at + 12] in shown for at in range(len(part) - 11))


def test_an_id_in_a_token_and_the_address_of_a_webhook_stay_legible():
    secrets = Secrets()
    secrets.remember("user-1505084218764547200-CANARY", "https://hooks.example.com/services/CANARY")

    assert secrets.redact("1505084218764547200") == "1505084218764547200"
    assert secrets.redact("https://hooks.example.com/docs") == "https://hooks.example.com/docs"
    assert secrets.redact("to https://hooks.example.com/services/CANARY.") == f"to {MASK}."


def test_a_number_is_masked_as_a_whole_only():
    secrets = Secrets()
    secrets.remember("150508421876454720")

    assert secrets.redact("150508421876454 150508421876454720") == f"150508421876454 {MASK}"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql://u:CANARY@h/d", {"CANARY"}),
        ("postgresql://u:CAN%41RY@h/d", {"CAN%41RY", "CANARY"}),
        ("postgresql://u:CA@N:ARY/x@h/d", {"CA@N:ARY/x"}),
        ("postgresql://u@h/d?password=CANARY&sslmode=require", {"CANARY"}),
        ("postgresql:/u:CANARY@h", set()),
        ("postgresql://postgres:postgres@h/d", set()),
        ("sqlite:///file", set()),
    ],
)
def test_what_is_secret_in_a_url_is_known_whether_it_is_one_or_not(url, found):
    from etl.settings.load import Settings

    assert set(secrets_in(Settings, {"source": {"url": url}})) - {""} == found


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://bot:CAN%41RY@chat.example/hooks/1", {"bot", "CAN%41RY", "CANARY", "hooks/1"}),
        ("https://CANARY@chat.example/hooks/1", {"CANARY", "hooks/1"}),
        ("https://chat:CANARY@chat.example/hooks/1", {"CANARY", "hooks/1"}),
        ("https://chat.example/hooks/1", {"hooks/1"}),
    ],
)
def test_the_user_and_the_password_of_a_webhook_are_secrets_by_themselves(url, found):
    from etl.settings.load import Settings

    assert set(secrets_in(Settings, {"notify": {"webhook_url": url}})) == {url, *found}


def test_variables_of_libraries_hold_secrets_too():
    variables = {
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20CANARY-1,x-key=CANARY-2",
        "OPENLINEAGE_API_KEY": "CANARY-3",
    }

    assert {"CANARY-1", "CANARY-2", "CANARY-3"} <= set(secrets_in_variables(variables))


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_what_a_library_warns_of_is_a_line_of_our_log_without_secrets(log_format, monkeypatch):
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    remember("CANARY-in-words")
    configure_logs(log_format, verbose=False)

    error = ValueError("CANARY-in-words")
    logging.getLogger("some.library").warning("it says %s", "CANARY-in-words", exc_info=error)

    output = stderr.getvalue()
    assert "library_warning" in output
    assert "some.library" in output
    assert "ValueError" in output
    assert output.count(MASK) >= 2
    assert "CANARY" not in output


def test_a_secret_that_looks_like_json_breaks_no_line_of_the_log(monkeypatch):
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    remember('"level": "', '{"number": 17, "')
    configure_logs("json", verbose=False)

    structlog.get_logger().warning("odd", number=17, said='it is "level": "x', inner=[{"number": 17}], other=UTC)

    line = json.loads(stderr.getvalue())
    assert (line["level"], line["number"], line["inner"]) == ("warning", 17, [{"number": 17}])
    assert line["said"] == f"it is {MASK}x"
