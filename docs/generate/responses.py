"""Makes the table of what each response of the API leads to."""

from collections.abc import Iterator
from itertools import groupby

from docs.generate.markdown import table
from etl.error_codes import Code
from etl.koodrive.response_codes import FATAL_STATUSES, status_ending, status_reason
from etl.tasks.failure_reasons import FailureReason

HEAD = """\
# Responses

Made from the code by `make reference`. A task ends at once only by KooDrive's own words about it: an HTTP 200 in JSON
that names the task, or an error in JSON whose `code` is one of KooDrive's, a number of eight digits. Any server on the
way to KooDrive can send anything else: a proxy, a login page, a gateway.

The table shows what a response without such words leads to. An `unrecognized` response closes the gate for the whole
run, and a probe follows at once, about a task that was answered before if there is one. If the probe is answered, the
run goes on. If not, the run waits and sends more probes, until it goes on or ends with the error of the last column. It
ends after `api.patience_seconds`, or after a minute if it got no answer at all and the exit code is 77 or 78. After a
first answer, an end by anything but `api-forbidden` is an `api-unavailable`.

The response becomes the task's own, with the reason of the third column, only after six requests about the task over at
least two minutes, with other tasks answered before each repetition.

"""

PASSING_ENDINGS = {
    FailureReason.UNAUTHORIZED: Code.CREDENTIALS_REFUSED,
    FailureReason.THROTTLED: Code.API_THROTTLED,
}
"""The errors of runs that get nothing else. An outage is the end with any other reason."""

STATUSES = (200, *range(300, 600))


def page() -> str:
    """Describe every status."""
    return HEAD + table(("HTTP status", "the run takes it as", "the task's own reason", "the run ends with"), _rows())


def _rows() -> Iterator[tuple[str, ...]]:
    for consequence, statuses in groupby(STATUSES, _consequence):
        first, *others = statuses
        yield (f"{first} to {others[-1]}" if others else str(first), *consequence)


def _consequence(status: int) -> tuple[str, str, str]:
    if (fatal := FATAL_STATUSES.get(status)) is not None:
        return "the end of the run, at once", "", _link(fatal.code)
    reason = status_reason(status)
    if not reason.recovery.is_lasting:
        return f"`{reason}`", "", _link(PASSING_ENDINGS.get(reason, Code.API_UNAVAILABLE))
    own_reason = "bad_payload" if status == STATUSES[0] else reason
    return "`unrecognized`", f"`{own_reason}`", _link(status_ending(status).code)


def _link(code: Code) -> str:
    return f"[`{code}`](../errors/{code}.md)"
