"""The proxy on the way to each server, by one rule."""

import pytest
from pydantic import SecretStr

from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.redaction import redact
from etl.settings.load import load_configuration
from etl.settings.proxy import choose_proxy

PROXY = "http://proxy.internal:3128"
API = "https://cn.myhuaweicloud-koodrive.com"


def chosen(address, configured=None, **variables):
    secret = SecretStr(configured) if configured else None
    proxy = choose_proxy(address, secret, variables=variables)
    return proxy and (proxy.address, proxy.origin)


@pytest.mark.parametrize(
    ("address", "variables", "expected"),
    [
        (API, {}, None),
        (API, {"HTTPS_PROXY": PROXY}, (PROXY, "HTTPS_PROXY")),
        (API, {"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, (PROXY, "https_proxy")),
        (API, {"HTTP_PROXY": PROXY}, None),
        (API, {"HTTPS_PROXY": ""}, None),
        (API, {"ALL_PROXY": PROXY}, None),
        ("http://gateway:9091", {"http_proxy": PROXY}, (PROXY, "http_proxy")),
        ("http://gateway:9091", {"HTTPS_PROXY": PROXY}, None),
        ("http://127.0.0.1:9091", {"http_proxy": PROXY}, None),
        ("https://localhost:9091", {"https_proxy": PROXY}, None),
        ("https://[::1]:9091", {"https_proxy": PROXY}, None),
        (API, {"https_proxy": "https://proxy.internal"}, ("https://proxy.internal:443", "https_proxy")),
        (API, {"https_proxy": "http://[fd00::7]:3128/"}, ("http://[fd00::7]:3128", "https_proxy")),
    ],
)
def test_a_variable_names_the_proxy_by_the_scheme(address, variables, expected):
    assert chosen(address, **variables) == expected


def test_the_setting_precedes_the_variables_and_their_exceptions():
    others = {"HTTPS_PROXY": "http://other:1", "NO_PROXY": "*"}
    assert chosen(API, PROXY, **others) == (PROXY, "api.proxy")
    assert chosen("http://127.0.0.1:8080", PROXY, **others) is None


@pytest.mark.parametrize(
    ("address", "exceptions", "is_direct"),
    [
        ("http://10.1.2.3:9091", "10.0.0.0/8", True),
        ("http://10.1.2.3:9091", "192.168.0.0/16, 10.0.0.0/8", True),
        ("http://11.1.2.3:9091", "10.0.0.0/8", False),
        ("http://10.1.2.3:9091", "10.1.2.3", True),
        ("http://10.1.2.3:9091", "10.1.2.3:9091", True),
        ("http://10.1.2.3:9091", "10.1.2.3:80", False),
        ("http://10.1.2.3", "10.1.2.3:80", True),
        ("http://[fd00::3]:9091", "fd00::/8", True),
        ("http://[fd00::3]:9091", "[fd00::3]:9091", True),
        ("http://[fd00::3]:9091", "[fd00::3]:80", False),
        ("http://gateway.internal:9091", ".internal", True),
        ("http://gateway.internal:9091", "internal", True),
        ("http://gateway.internal:9091", "*.internal", True),
        ("http://gateway.internal:9091", "Gateway.INTERNAL", True),
        ("http://gateway.internal:9091", "gateway.internal:9091", True),
        ("http://gateway.internal:9091", "gateway.internal:80", False),
        ("http://gateway.internal:9091", "way.internal", False),
        ("http://gateway.internal:9091", "10.0.0.0/8 localhost", False),
        ("http://gateway.internal:9091", "*", True),
        ("http://gateway.internal:9091", " , ,", False),
        ("http://gateway.internal:9091", ".", False),
        ("http://gateway.internal:9091", "a:b:c", False),
    ],
)
def test_no_proxy_has_names_suffixes_networks_and_ports(address, exceptions, is_direct):
    for name in ("no_proxy", "NO_PROXY"):
        assert (chosen(address, http_proxy=PROXY, **{name: exceptions}) is None) is is_direct


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("socks5://proxy:1080", "names a SOCKS proxy"),
        ("socks5h://user:CANARY-pw@proxy:1080", "names a SOCKS proxy"),
        ("proxy.internal:3128", "is not the URL of an HTTP proxy"),
        ("user:CANARY-pw@proxy.internal:3128", "is not the URL of an HTTP proxy"),
        ("ftp://proxy.internal:3128", "is not the URL of an HTTP proxy"),
        ("http://", "is not the URL of an HTTP proxy"),
        ("http://user:CANARY-pw/x@proxy:3128", "is not the URL of an HTTP proxy"),
        ("http://proxy:99999", "is not the URL of an HTTP proxy"),
        ("http://proxy:3128/path", "holds more than"),
        ("http://proxy:3128?CANARY-pw", "holds more than"),
    ],
)
def test_anything_else_than_an_http_proxy_is_a_wrong_configuration(value, complaint, configure):
    with pytest.raises(ConfigurationError, match=f"HTTPS_PROXY {complaint}") as raised:
        choose_proxy(API, variables={"HTTPS_PROXY": value})
    assert raised.value.code is Code.SETTING_WRONG
    configure(api__proxy=value)
    with pytest.raises(ConfigurationError, match=rf"api\.proxy \(from TASK_AUDIT_API__PROXY\): {complaint}") as refused:
        load_configuration()
    assert "CANARY" not in f"{raised.value} {refused.value}"


def test_user_and_password_are_sent_decoded_and_never_shown(monkeypatch, configure):
    monkeypatch.setenv("https_proxy", "http://job%40company:CANARY-p%2Fw%20d@proxy.internal:3128")
    configure(api__proxy="http://job:CANARY-other@proxy.internal:3128")
    configuration = load_configuration()
    proxy = choose_proxy(API)
    assert proxy.headers == {"Proxy-Authorization": "Basic am9iQGNvbXBhbnk6Q0FOQVJZLXAvdyBk"}
    assert proxy.url.get_secret_value() == "http://job%40company:CANARY-p%2Fw%20d@proxy.internal:3128"
    assert "CANARY" not in f"{proxy} {proxy!r} {configuration} {configuration.rows()}"
    said = redact("CANARY-p%2Fw%20d CANARY-p/w d CANARY-other Basic am9iQGNvbXBhbnk6Q0FOQVJZLXAvdyBk")
    assert "CANARY" not in said
    assert "Q0FOQVJZLXAvdyBk" not in said


def test_a_proxy_without_credentials_gets_no_header():
    proxy = choose_proxy(API, variables={"HTTPS_PROXY": PROXY})
    assert proxy.headers == {}
    assert proxy.url.get_secret_value() == PROXY
