"""What it means that a request got no response: a failure of this request or of the network, or a wrong configuration.

Nothing here concerns one task: the proxy, TLS and the certificates are the same for every request.
"""

import ssl
from collections.abc import Iterator
from http import HTTPStatus

import aiohttp

from etl.error_codes import Code
from etl.errors import ConfigurationError, CredentialsRefusedError, TaskAuditError
from etl.koodrive.transport import BodyTooLargeError
from etl.settings.proxy import Proxy
from etl.tasks.failure_reasons import FailureReason

NO_TLS = frozenset(
    {"HTTPS_PROXY_REQUEST", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "WRONG_VERSION_NUMBER"}
)
"""OpenSSL's names for an answer that is not TLS, as that of a port for plain HTTP."""

NO_COMMON_TLS = frozenset(
    {
        "DH_KEY_TOO_SMALL",
        "NO_PROTOCOLS_AVAILABLE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_SSL_VERSION",
    }
)
"""OpenSSL's names for two sides without a common version or cipher."""

CLIENT_CERTIFICATE = frozenset(
    {
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_ACCESS_DENIED",
        "TLSV1_ALERT_UNKNOWN_CA",
    }
)
"""OpenSSL's names for the alerts by which a server asks for another client certificate."""

TEMPORARY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
"""Statuses below 500 that a proxy may not send to the next request."""


def transport_reason(error: Exception) -> FailureReason:
    """Classify an error of the transport."""
    match error:
        case BodyTooLargeError():
            return FailureReason.TOO_LARGE
        case TimeoutError():
            return FailureReason.TIMEOUT
        case aiohttp.ClientHttpProxyError():
            return FailureReason.UNREACHABLE
        case aiohttp.ClientResponseError() | aiohttp.ContentTypeError():
            return FailureReason.SERVER_ERROR
        case _:
            return FailureReason.UNREACHABLE


def describe(error: Exception, proxy: Proxy | None) -> str:
    """Describe an error of the transport in one line, and name the proxy if there is one."""
    match error:
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy {proxy} cannot be reached: {error.os_error.strerror or error.os_error}"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy {proxy} answers HTTP {error.status} {error.message}".rstrip()
        case aiohttp.ClientResponseError():
            text = _parser_complaint(error)
        case _:
            text = f"{type(error).__name__}: {error}"
    return f"{text} (through the proxy {proxy})" if proxy else text


def spoken_status(error: Exception) -> int | None:
    """Return the status of a response that could not be parsed; None if there was none, or if a proxy sent it."""
    if isinstance(error, aiohttp.ClientResponseError) and not isinstance(error, aiohttp.ClientHttpProxyError):
        return error.status or None
    return None


def _parser_complaint(error: aiohttp.ClientResponseError) -> str:
    # The parser quotes the place of the error on lines of its own, with a mark below it.
    cause = " ".join(error.message.replace("^", " ").split()) or type(error).__name__
    status = spoken_status(error)
    return f"the server said HTTP {status} in a response that breaks the rules of HTTP: {cause}" if status else cause


def ending_error(error: Exception, *, proxy: Proxy | None, has_answered: bool) -> TaskAuditError | None:
    """Return the error that ends the run; None if another request may succeed.

    Args:
        error: the error of the transport.
        proxy: the proxy on the way to the API, if any.
        has_answered: whether this run had a response before, so that the configuration is right and this is an outage.
    """
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ConfigurationError(
            f"The API's certificate is not to be trusted: {error}.",
            code=Code.API_CERTIFICATE_UNTRUSTED,
            remedy="Check api.base_url, and name the authority's certificate in api.ca_file.",
        )
    if isinstance(error, aiohttp.ClientHttpProxyError) and proxy is not None:
        return _proxy_error(error, proxy, has_answered=has_answered)
    return None if has_answered else _tls_error(error)


def _proxy_error(error: aiohttp.ClientHttpProxyError, proxy: Proxy, *, has_answered: bool) -> TaskAuditError | None:
    if error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        problem = "refuses the user or the password" if proxy.headers else "demands a user and a password"
        return CredentialsRefusedError(
            f"The proxy {proxy} {problem} (HTTP 407).",
            code=Code.PROXY_CREDENTIALS_REFUSED,
            remedy=f"Check the user and the password in {proxy.origin}; write special characters in percent encoding.",
        )
    if has_answered or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status in TEMPORARY:
        return None
    return ConfigurationError(
        f"The proxy {proxy} does not connect to the API: HTTP {error.status} {error.message}.",
        code=Code.PROXY_REFUSED,
        remedy=f"Check {proxy.origin} and api.base_url, and let the proxy allow CONNECT to the API.",
    )


def _tls_error(error: Exception) -> TaskAuditError | None:
    # aiohttp's own error is an SSLError as well, without a reason.
    reasons = (getattr(each, "reason", None) for each in _causes(error) if isinstance(each, ssl.SSLError))
    reason = next(filter(None, reasons), None)
    if reason in CLIENT_CERTIFICATE:
        return CredentialsRefusedError(
            f"The server at api.base_url demands a client certificate, or refuses ours: {reason}.",
            code=Code.CLIENT_CERTIFICATE_REFUSED,
            remedy="Check api.client_certificate_file and api.client_key_file.",
        )
    if reason in NO_TLS:
        message = f"The server at api.base_url does not speak TLS at this port: {reason}."
    elif reason in NO_COMMON_TLS:
        message = f"The server at api.base_url and this machine have no TLS version or cipher in common: {reason}."
    else:
        return None
    return ConfigurationError(
        message, code=Code.API_TLS_FAILED, remedy="Check the host and the port in api.base_url, and what listens there."
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """List an error and its causes: aiohttp wraps those of OpenSSL, and the transport wraps aiohttp's."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
