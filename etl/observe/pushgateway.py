"""A Prometheus Pushgateway, which keeps the metrics of the last run of each group."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import HTTPResponse
from typing import Any
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from prometheus_client import CollectorRegistry, pushadd_to_gateway

from etl.observe.metrics import PREFIX
from etl.settings.model import TelemetrySettings
from etl.settings.proxy import choose_proxy

MAX_GROUPS_BYTES = 1 << 24
"""The bytes of a Pushgateway's groups that are read, at most; those of a run have about 20,000."""


class NoRedirects(HTTPRedirectHandler):
    """Makes a redirect an error: the metrics would go to another server, or nowhere."""

    def redirect_request(self, *_arguments: object) -> None:
        """Follow none."""


def push(
    url: str, settings: TelemetrySettings, *, registry: CollectorRegistry, labels: Mapping[str, str], seconds: float
) -> None:
    """Replace the metrics of the same names in the group of a run; others, such as the last success, stay.

    Raises:
        OSError: the Pushgateway did not accept them.
    """
    group = group_of(settings, labels)
    pushadd_to_gateway(url, settings.pushgateway_job, registry, group, timeout=seconds, handler=_send_by_proxy)


def group_of(settings: TelemetrySettings, labels: Mapping[str, str]) -> dict[str, str]:
    """Return the grouping key besides the job: a push replaces metrics of its own group only."""
    # A label made from the databases is no part of the key: the groups of earlier versions would stay beside new ones.
    names = {"shard", "configuration"} if settings.metrics_configuration else {"shard"}
    return {name: value for name, value in labels.items() if name in names}


def configurations_in_group(
    url: str, settings: TelemetrySettings, *, labels: Mapping[str, str], seconds: float
) -> set[str]:
    """Return the labels ``configuration`` of the metrics in the group of a configuration, whichever shards it has.

    Raises:
        OSError: the Pushgateway does not answer.
    """
    own = {"job": settings.pushgateway_job} | group_of(settings, labels)
    with _open(Request(f"{url}/api/v1/metrics"), seconds) as response:  # noqa: S310 - checked as http or https
        try:
            groups = _read_json(response)["data"]
            return {label for group in groups if _without_shard(group["labels"]) == own for label in _labels(group)}
        except (ValueError, LookupError, TypeError, AttributeError):
            raise OSError("it answers, and not as a Pushgateway does") from None


def _read_json(response: HTTPResponse) -> Any:
    body = response.read(MAX_GROUPS_BYTES + 1)
    if len(body) > MAX_GROUPS_BYTES:
        raise ValueError("it is longer than any group")
    return json.loads(body)


def _without_shard(labels: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name != "shard"}


def _labels(group: dict[str, Any]) -> Iterator[str]:
    for name, family in group.items():
        for metric in family["metrics"] if name.startswith(PREFIX) else ():
            yield metric["labels"].get("configuration", "")


def _send_by_proxy(
    url: str, method: str, timeout: float | None, headers: Sequence[tuple[str, str]], data: bytes
) -> Callable[[], None]:
    """Make the function that sends one request to the Pushgateway, through the proxy that the job chooses."""

    def send() -> None:
        request = Request(url, data=data, headers=dict(headers), method=method)  # noqa: S310 - checked as http or https
        _open(request, timeout).close()

    return send


def _open(request: Request, timeout: float | None) -> HTTPResponse:
    proxy = choose_proxy(request.full_url)
    ways = dict.fromkeys(("http", "https"), proxy.url.get_secret_value()) if proxy else {}
    try:
        response: HTTPResponse = build_opener(ProxyHandler(ways), NoRedirects).open(request, timeout=timeout)
    except OSError as error:
        by = f" (through the proxy {proxy})" if proxy else ""
        raise OSError(f"{error}{by}") from None
    return response
