"""The reasons why a task could not be audited, the job's reaction to each, and the words for the operator."""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Self


class Recovery(Enum):
    """The job's reaction to a failure."""

    RETRY = auto()
    """The run asks again; after the last attempt the task stays pending."""

    RETRY_ONCE = auto()
    """The run asks once more; the same failure a second time makes a dead letter."""

    REQUEUE = auto()
    """The run repeats the request later: the failure concerns every task, and does not count as an attempt."""

    VERIFY = auto()
    """The run finds out whether other tasks are answered; the failure concerns every task until that is shown."""

    DEAD_LETTER = auto()
    """Another request would not help, so the task becomes a dead letter."""

    @property
    def is_lasting(self) -> bool:
        """Return whether a failure of this kind can become a dead letter under its own reason."""
        return self in {Recovery.RETRY_ONCE, Recovery.DEAD_LETTER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """The words of a failure reason, from which every table of reasons is made."""

    recovery: Recovery
    cause: str
    remedy: str
    """The operator's next step."""


class FailureReason(StrEnum):
    """The reason why a task could not be audited."""

    recovery: Recovery
    cause: str
    remedy: str

    def __new__(cls, name: str, handling: Handling | None = None) -> Self:
        """Make a member; a lookup such as ``FailureReason("not_found")`` never calls this method.

        Raises:
            TypeError: the member has no handling.
        """
        if handling is None:
            raise TypeError(f"The failure reason {name} needs a handling.")
        member = str.__new__(cls, name)
        member._value_ = name
        member.recovery, member.cause, member.remedy = handling.recovery, handling.cause, handling.remedy
        return member

    NOT_FOUND = (
        "not_found",
        Handling(
            recovery=Recovery.DEAD_LETTER,
            cause="KooDrive does not know the task.",
            remedy="Check that the ID is right and belongs to this region and tenant.",
        ),
    )
    FORBIDDEN = (
        "forbidden",
        Handling(
            recovery=Recovery.DEAD_LETTER,
            cause="The job's user may not see the task.",
            remedy="Grant the user the right, then retry.",
        ),
    )
    BAD_PAYLOAD = (
        "bad_payload",
        Handling(
            recovery=Recovery.RETRY_ONCE,
            cause="KooDrive sent an invalid response twice.",
            remedy="Give the trace ID to KooDrive's support, and retry later.",
        ),
    )
    TOO_LARGE = (
        "too_large",
        Handling(
            recovery=Recovery.DEAD_LETTER,
            cause="The response is larger than a task can be.",
            remedy="Give the trace ID to KooDrive's support.",
        ),
    )
    INVALID_ID = (
        "invalid_id",
        Handling(
            recovery=Recovery.DEAD_LETTER,
            cause="The pending table holds a text that is not a task ID.",
            remedy="Fix the program that wrote it, then discard the dead letter.",
        ),
    )
    REJECTED = (
        "rejected",
        Handling(
            recovery=Recovery.DEAD_LETTER,
            cause="KooDrive refuses the request for this task.",
            remedy="Read the detail, and give the trace ID to KooDrive's support.",
        ),
    )
    EXHAUSTED = (
        "exhausted",
        Handling(
            recovery=Recovery.DEAD_LETTER,
            cause="As many runs as `run.dead_letter_after` have failed.",
            remedy="Read the last failure, fix its cause, then retry.",
        ),
    )
    THROTTLED = (
        "throttled",
        Handling(
            recovery=Recovery.REQUEUE,
            cause="KooDrive accepts no more requests at the moment.",
            remedy="Nothing; the next run asks again.",
        ),
    )
    UNAUTHORIZED = (
        "unauthorized",
        Handling(
            recovery=Recovery.REQUEUE,
            cause="KooDrive refused the credentials.",
            remedy="Renew the credentials; the next run asks again.",
        ),
    )
    SERVER_ERROR = (
        "server_error",
        Handling(
            recovery=Recovery.RETRY,
            cause="KooDrive failed with a server error.",
            remedy="Nothing; the next run asks again.",
        ),
    )
    UNREACHABLE = (
        "unreachable",
        Handling(
            recovery=Recovery.RETRY,
            cause="The job could not connect to KooDrive.",
            remedy="Check the network; the next run asks again.",
        ),
    )
    UNRECOGNIZED = (
        "unrecognized",
        Handling(
            recovery=Recovery.VERIFY,
            cause="The response is not in KooDrive's form, so another server may have sent it.",
            remedy="Check the proxies and gateways on the way to KooDrive; the next run asks again.",
        ),
    )
    TIMEOUT = (
        "timeout",
        Handling(
            recovery=Recovery.RETRY,
            cause="KooDrive did not respond in time.",
            remedy="Nothing; the next run asks again.",
        ),
    )


SETTLED_LOCALLY = frozenset({FailureReason.INVALID_ID, FailureReason.EXHAUSTED})
"""The reasons of dead letters that the job makes without an answer of KooDrive."""


def advice_on(reason: str) -> str:
    """Explain a reason that a dead letter has; a newer version of the job may have written an unknown one."""
    if reason not in set(FailureReason):
        return "Read the detail, then retry."
    known = FailureReason(reason)
    return f"{known.cause} {known.remedy}"
