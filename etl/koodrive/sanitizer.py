"""Makes what the API sent fit for logs, databases and the archive: bounded, printable and without our secrets."""

from dataclasses import replace
from hashlib import sha256

import msgspec

from etl.errors import TaskAuditError
from etl.koodrive.drift import read_answer
from etl.koodrive.response import Response
from etl.redaction import Secrets
from etl.tasks import FetchFailure, Observation, RawAnswer
from etl.tasks.failure_reasons import FailureReason

MAX_QUOTE_CHARACTERS = 300
"""A failure and an error quote the API in one line of a log."""

MAX_EXCERPT_CHARACTERS = 500
"""An excerpt of a bad payload is evidence for the support of the API."""


class Sanitizer:
    """Takes secrets and control characters out of what the API sent."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def quote(self, text: str, *, max_characters: int = MAX_QUOTE_CHARACTERS) -> str:
        """Make a text from the API fit for a log line and a database."""
        excerpt = self._secrets.redact(text)[:max_characters]
        if excerpt.isprintable():
            return excerpt
        return "".join(character if character.isprintable() else " " for character in excerpt)

    def error(self, error: TaskAuditError) -> TaskAuditError:
        """Make an error that quotes the API fit to print."""
        message, quote = self.quote(error.message), self.quote(error.quote)
        return type(error)(message, code=error.code, remedy=error.remedy, quote=quote)

    def failure(self, failure: FetchFailure, response: Response | None = None) -> FetchFailure:
        """Make a failure fit to log and to store, with an excerpt of a bad payload as evidence."""
        detail = self.quote(failure.detail)
        code = failure.error_code and self.quote(failure.error_code)
        evidence = ""
        if response is not None and FailureReason.BAD_PAYLOAD in {failure.reason, failure.own_reason}:
            evidence = self._evidence(response.body)
        if failure.reason is FailureReason.BAD_PAYLOAD:
            detail, evidence = detail + evidence, ""
        return replace(failure, detail=detail, error_code=code, evidence=evidence)

    def _evidence(self, body: bytes) -> str:
        excerpt = self.quote(body.decode(errors="replace"), max_characters=MAX_EXCERPT_CHARACTERS)
        return f" ({len(body)} bytes, SHA-256 {sha256(body).hexdigest()}: {excerpt})"

    def observation(self, observation: Observation, response: Response, *, keeps_answer: bool) -> Observation:
        """Take our secrets out of an observation's drift, and out of the answer that the archive keeps."""
        body = self._without_secrets(response.body)
        drift = read_answer(body)[1] if body != response.body else observation.drift
        answer = None
        if keeps_answer:
            answer = RawAnswer(
                body=body,
                http_status=response.status,
                content_type=self.quote(response.content_type),
                trace_id=response.trace_id,
            )
        return msgspec.structs.replace(observation, drift=drift, answer=answer)

    def _without_secrets(self, body: bytes) -> bytes:
        text = body.decode(errors="surrogateescape")
        if "\\" in text:
            # Escapes in JSON would hide a secret from a search in the text.
            value = msgspec.json.decode(body)
            if (redacted := self._secrets.redact_all(value)) != value:
                return msgspec.json.encode(redacted)
        return self._secrets.redact(text).encode(errors="surrogateescape")
