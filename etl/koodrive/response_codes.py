"""What each status and each error code means, as tables.

The meaning of a code follows from KooDrive's API reference and the error codes of Huawei's API gateway. A status alone
says little: any server on the way may have chosen it.
"""

import re
from http import HTTPStatus

from etl.error_codes import Code
from etl.errors import ConfigurationError, CredentialsRefusedError, OutageError, RunEnding, UnavailableError
from etl.tasks.failure_reasons import FailureReason

SUCCESS_CODES = frozenset({None, "", 0, "0"})
"""A missing code is accepted if the fields of a task are present."""

DECISIVE_STATUSES: dict[int, FailureReason] = {
    401: FailureReason.UNAUTHORIZED,
    429: FailureReason.THROTTLED,
}
"""Statuses that mean the same whatever failure the body names."""

STATUS_FAILURES: dict[int, FailureReason] = {
    204: FailureReason.BAD_PAYLOAD,
    205: FailureReason.BAD_PAYLOAD,
    400: FailureReason.REJECTED,
    403: FailureReason.FORBIDDEN,
    404: FailureReason.NOT_FOUND,
    408: FailureReason.TIMEOUT,
    409: FailureReason.SERVER_ERROR,
    410: FailureReason.NOT_FOUND,
    421: FailureReason.SERVER_ERROR,
    423: FailureReason.SERVER_ERROR,
    425: FailureReason.SERVER_ERROR,
    501: FailureReason.REJECTED,
    505: FailureReason.REJECTED,
}
"""Statuses that do not follow their class. Any other 5xx is a server error, and any other status is a rejection."""

SERVICE_CODE = re.compile(r"[0-9]{8}")
"""A code of KooDrive's own: only a response with one says something about its task."""

INTERCEPTED = RunEnding(
    error=OutageError,
    code=Code.API_INTERCEPTED,
    remedy="Find the server that responds in KooDrive's place: a proxy, a login page, or a site that is being updated.",
)
WRONG_ADDRESS = RunEnding(
    error=ConfigurationError,
    code=Code.API_ADDRESS_WRONG,
    remedy="Check api.base_url and api.user_id, and the proxies and gateways on the way to it.",
)
FORBIDDEN = RunEnding(
    error=CredentialsRefusedError,
    code=Code.API_FORBIDDEN,
    remedy="Check the rights of api.user_id and of the credentials, and from which addresses they may be used.",
)

STATUS_ENDINGS: dict[int, RunEnding] = {
    301: WRONG_ADDRESS,
    308: WRONG_ADDRESS,
    403: FORBIDDEN,
}
"""Statuses that do not follow their class in how they end a run that got no answer at all."""

SERVICE_FAILURES: dict[str, FailureReason] = {
    "13000201": FailureReason.SERVER_ERROR,  # an inner call failed
    "13000304": FailureReason.SERVER_ERROR,  # "try again"
    "13000308": FailureReason.SERVER_ERROR,  # "try again"
    "13000309": FailureReason.NOT_FOUND,  # no such resource
    "13000402": FailureReason.SERVER_ERROR,  # "try again"
    "13000403": FailureReason.SERVER_ERROR,  # "try again"
    "13000407": FailureReason.SERVER_ERROR,  # "try again"
    "13000408": FailureReason.SERVER_ERROR,  # "try again"
    "13000409": FailureReason.SERVER_ERROR,  # "try again"
    "13000410": FailureReason.FORBIDDEN,  # the user lacks the right
}
"""KooDrive's own codes, with any HTTP status. Any other code means what its HTTP status means."""

GATEWAY_CODE = re.compile(r"APIGW?\.([0-9]{4})")
"""A code of Huawei's API gateway, shared or dedicated."""

GATEWAY_FAILURES: dict[str, FailureReason] = {
    **dict.fromkeys(
        (
            "0103",
            "0104",
            "0105",
            "0404",
            "0601",
            "0605",
            "0606",
            "0608",
            "0609",
            "0610",
            "0611",
            "0612",
            "0613",
            "0705",
        ),
        FailureReason.SERVER_ERROR,
    ),
    **dict.fromkeys(("0301", "0303", "0305", "0307", "0311"), FailureReason.UNAUTHORIZED),
}
"""Gateway codes that are more exact than their HTTP status: some server errors come as a 400, 403 or 404."""

THROTTLED_CODE_SUFFIX = ".0308"
"""The end of the code for throttling of every Huawei gateway, with any HTTP status."""

WAIT_STATUSES = frozenset({403, 413, 503})
"""Statuses that mean throttling if the response names a time to wait."""


FATAL_GATEWAY_CODES: dict[str, RunEnding] = {
    **dict.fromkeys(
        ("0302", "0304", "0306", "0310", "0401", "0402"),
        RunEnding(
            error=CredentialsRefusedError,
            code=Code.API_FORBIDDEN,
            remedy="Check the rights of the token or the app, and from which addresses it may send requests.",
        ),
    ),
    **dict.fromkeys(
        ("0101", "0607", "0801", "0802"),
        RunEnding(error=ConfigurationError, code=Code.API_ADDRESS_WRONG, remedy="Check api.base_url."),
    ),
    **dict.fromkeys(
        ("0501", "0502"),
        RunEnding(
            error=UnavailableError,
            code=Code.API_QUOTA_USED_UP,
            remedy="Have the app's quota or balance renewed, then run again.",
        ),
    ),
}

FATAL_STATUSES: dict[int, RunEnding] = {
    407: RunEnding(
        error=CredentialsRefusedError,
        code=Code.PROXY_CREDENTIALS_REFUSED,
        remedy="Check the user and the password in the address of the proxy.",
    ),
    511: RunEnding(
        error=UnavailableError,
        code=Code.NETWORK_LOGIN_NEEDED,
        remedy="Log this machine in to its network: a portal answers instead of the API.",
    ),
}
"""Statuses that end the run at once. A gateway code in the body outweighs them."""


def status_reason(status: int) -> FailureReason:
    """Return what the status of an error means for its task, if KooDrive sent it."""
    if status in DECISIVE_STATUSES:
        return DECISIVE_STATUSES[status]
    if status in STATUS_FAILURES:
        return STATUS_FAILURES[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FailureReason.SERVER_ERROR
    return FailureReason.REJECTED


def status_ending(status: int) -> RunEnding:
    """Return how the run ends if every response has this status and is not in KooDrive's form."""
    if status in STATUS_ENDINGS:
        return STATUS_ENDINGS[status]
    is_client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return WRONG_ADDRESS if is_client_error else INTERCEPTED
