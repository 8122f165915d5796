"""What each status and each error code means, as tables.

The meaning of a code follows from KooDrive's API reference and the error codes of Huawei's API gateway.
"""

import re
from dataclasses import dataclass

from etl.errors import Code, ConfigurationError, CredentialsRefusedError, TaskAuditError, UnavailableError
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FatalError:
    """An error that concerns every request alike, and therefore ends the run."""

    error: type[TaskAuditError]
    code: Code
    remedy: str


FATAL_GATEWAY_CODES: dict[str, FatalError] = {
    **dict.fromkeys(
        ("0302", "0304", "0306", "0310", "0401", "0402"),
        FatalError(
            error=CredentialsRefusedError,
            code=Code.API_FORBIDDEN,
            remedy="Check the rights of the token or the app, and from which addresses it may send requests.",
        ),
    ),
    **dict.fromkeys(
        ("0101", "0607", "0801", "0802"),
        FatalError(error=ConfigurationError, code=Code.API_ADDRESS_WRONG, remedy="Check api.base_url."),
    ),
    **dict.fromkeys(
        ("0501", "0502"),
        FatalError(
            error=UnavailableError,
            code=Code.API_QUOTA_USED_UP,
            remedy="Have the app's quota or balance renewed, then run again.",
        ),
    ),
}

FATAL_STATUSES: dict[int, FatalError] = {
    511: FatalError(
        error=UnavailableError,
        code=Code.NETWORK_LOGIN_NEEDED,
        remedy="Log this machine in to its network: a portal answers instead of the API.",
    ),
}
"""A gateway code in the body outweighs these statuses."""
