"""What a response about one task means. Pure: a response in, an observation or a failure out.

A fact is made only from an HTTP 200 in JSON whose ``code`` is 0 and whose ``taskId`` is the requested one. The task's
own ``status`` alone decides how the task ended: a failed task comes with a ``code`` and a message of success.
"""

from datetime import datetime

from etl.koodrive.drift import MALFORMED, read_answer
from etl.koodrive.error_responses import error_failure, malformed_failure, names_task, status_failure, unrecognized
from etl.koodrive.response import Response
from etl.koodrive.response_codes import SUCCESS_CODES
from etl.tasks import Observation, Outcome, PendingTask


def interpret(response: Response, task: PendingTask, *, now: datetime) -> Outcome:
    """Interpret the response to a request about a task.

    A failure or an error quotes the response unchanged: the quote may be long, and may contain our own secret.

    Raises:
        CredentialsRefusedError: the API refuses us, whatever the task.
        ConfigurationError: the address is wrong.
        UnavailableError: the app's quota is used up.
    """
    if (failure := status_failure(response, task, now=now)) is not None:
        return failure
    try:
        answer, drift = read_answer(response.body)
    except MALFORMED as error:
        return malformed_failure(response, task, error=error, now=now, is_own=names_task(response.body, task))
    if answer.error_code or answer.response_code not in SUCCESS_CODES:
        return error_failure(response, task, now=now)
    if answer.task_id != task.task_id and str(answer.task_id) != task.task_id:
        # A cache on the way may have mixed up its answers.
        return unrecognized("the answer is about another task", response, task=task, now=now)
    return Observation(task=task, detail=answer, observed_at=response.sent_at, drift=drift, size=len(response.body))
