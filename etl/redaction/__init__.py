"""Masks secrets in text.

The code that reads a secret registers it here. Log lines, errors and quotations from other programs are masked before
they are written. ``forms`` lists the forms in which a secret is recognised.

A long secret is masked in part, too, and in capitals: a server may say "the token abc…xyz is expired". Each part of a
form that is long enough to be masked holds a sample at a position that is a multiple of ``STRIDE`` in the text. A text
whose samples are none of a secret's is therefore left alone after a few look-ups.
"""

import re
from collections import defaultdict

from etl.redaction.forms import RUN_CHARACTERS, Form, forms_of

MASK = "********"

MIN_SECRET_CHARACTERS = 6
"""Shorter secrets are not masked: they would match ordinary words."""

SAMPLE_CHARACTERS = 6

STRIDE = RUN_CHARACTERS - SAMPLE_CHARACTERS + 1
"""The distance of two samples in a text, so that every part of RUN_CHARACTERS holds a whole one."""

SIGNATURE = re.compile(r"(?<=Signature=)[0-9a-f]+")
"""A signature is made from an AppSecret, and the API accepts it for a quarter of an hour."""


class Secrets:
    """A set of secrets, which it masks in text."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._whole: set[str] = set()
        """The forms of secrets that are masked only as a whole."""
        self._whole_pattern: re.Pattern[str] | None = None
        self._samples: set[str] = set()
        """Every sample of the forms that are masked in part, in small letters."""
        self._forms: list[Form] = []
        """The forms that are masked in part, in small letters."""
        self._runs: dict[int, set[str]] = {}
        """The shortest parts of the forms that are masked, by length; made when a text holds a sample."""

    def remember(self, *secrets: str) -> None:
        """Mask these secrets, too, from now on."""
        fresh = {secret for secret in secrets if len(secret) >= MIN_SECRET_CHARACTERS} - self._known
        if not fresh:
            return
        self._known |= fresh
        self._runs = {}
        for secret in fresh:
            if _has_secret_parts(secret):
                self._remember_parts(secret)
            else:
                self._whole.update(form.text for form in forms_of(secret))
        if self._whole:
            # The longer forms come first, since one may be part of another.
            forms = sorted(self._whole, key=lambda form: (-len(form), form))
            self._whole_pattern = re.compile("|".join(map(re.escape, forms)))

    def redact(self, text: str) -> str:
        """Replace each secret with a mask."""
        small = text.casefold()
        samples = [small[at : at + SAMPLE_CHARACTERS] for at in range(0, len(small), STRIDE)]
        if not self._samples.isdisjoint(samples):
            text = self._without_parts(text, samples)
        if self._whole_pattern is not None:
            text = self._whole_pattern.sub(MASK, text)
        return SIGNATURE.sub(MASK, text) if "Signature=" in text else text

    def redact_all(self, value: object) -> object:
        """Replace each secret in a JSON value with a mask, in names of fields, too."""
        match value:
            case str():
                return self.redact(value)
            case dict():
                return {self.redact(name): self.redact_all(each) for name, each in value.items()}
            case list() | tuple():
                return [self.redact_all(each) for each in value]
            case None | bool() | int() | float():
                return value
            case _:
                # A log shows any other object by its text.
                return self.redact(repr(value))

    def _remember_parts(self, secret: str) -> None:
        for form in {Form(form.text.casefold(), form.run) for form in forms_of(secret)}:
            self._forms.append(form)
            ends = range(SAMPLE_CHARACTERS, len(form.text) + 1)
            self._samples.update(form.text[end - SAMPLE_CHARACTERS : end] for end in ends)

    def _without_parts(self, text: str, samples: list[str]) -> str:
        """Mask every part of a secret; the samples are those of the text in small letters."""
        self._runs = self._runs or _runs_of(self._forms)
        # A capital may have more than one small letter.
        smalls = [each.casefold() for each in text]
        small = "".join(smalls)
        is_secret = bytearray(len(small))
        for number, sample in enumerate(samples):
            if sample in self._samples:
                at = number * STRIDE
                for length, runs in self._runs.items():
                    for begin in range(max(0, at + SAMPLE_CHARACTERS - length), at + 1):
                        if small[begin : begin + length] in runs:
                            is_secret[begin : begin + length] = b"\1" * length
        return _masked(text, smalls, is_secret)


def _has_secret_parts(secret: str) -> bool:
    """Return whether a secret is masked in part: not if it is short, an address, or a number such as an ID."""
    return len(secret) >= RUN_CHARACTERS and "://" not in secret and not secret.isdigit()


def _runs_of(forms: list[Form]) -> dict[int, set[str]]:
    runs: defaultdict[int, set[str]] = defaultdict(set)
    for form in forms:
        parts = (form.text[end - form.run : end] for end in range(form.run, len(form.text) + 1))
        # A token may contain the ID of a user or of a task, which is no secret.
        runs[form.run].update(part for part in parts if not part.isdigit())
    return dict(runs)


def _masked(text: str, smalls: list[str], is_secret: bytearray) -> str:
    shown: list[str] = []
    at, was_secret = 0, False
    for character, small in zip(text, smalls, strict=True):
        hides = any(is_secret[at : at + len(small)])
        if not hides:
            shown.append(character)
        elif not was_secret:
            shown.append(MASK)
        at, was_secret = at + len(small), hides
    return "".join(shown)


PROCESS_SECRETS = Secrets()
"""The secrets that this process has read."""


def remember(*secrets: str) -> None:
    """Mask these secrets in everything that this process writes from now on."""
    PROCESS_SECRETS.remember(*secrets)


def redact_all(value: object) -> object:
    """Mask the secrets of this process in a JSON value."""
    return PROCESS_SECRETS.redact_all(value)


def redact(text: str) -> str:
    """Mask the secrets of this process in a text."""
    return PROCESS_SECRETS.redact(text)
