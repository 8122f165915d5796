"""Reads secrets from a setting or from a file of their own, by one rule for all of them."""

from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.redaction import remember
from etl.settings.secret_values import secret_parts


def load_secret(
    value: SecretStr | None,
    file: Path | None,
    *,
    setting: str,
    check: Callable[[SecretStr], SecretStr] = lambda secret: secret,
) -> SecretStr | None:
    """Return a secret without surrounding white space; None if neither the setting nor its file is set.

    Args:
        value: the secret, if the setting itself holds it.
        file: the file that holds the secret otherwise.
        setting: the setting with its section, such as ``api.token``; the file's setting ends in ``_file``.
        check: raises ValueError for a secret in the file that cannot be used; the settings have checked ``value``.

    Raises:
        ConfigurationError: the file cannot be read, or does not hold one usable line.
    """
    if value is not None:
        return SecretStr(value.get_secret_value().strip())
    if file is None:
        return None
    try:
        secret = file.read_text(encoding="utf-8").strip()
        # An error below must not show the secret.
        remember(*secret_parts(setting.rpartition(".")[2], secret))
        _check_one_line(secret)
        return check(SecretStr(secret))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        problem = "is not UTF-8"
    except ValueError as error:
        problem = str(error)
    raise ConfigurationError(
        f"{setting}_file: {file} {problem}.",
        code=Code.SECRET_UNREADABLE,
        remedy="Check the path and its rights, and write the secret into the file, alone on one line.",
    )


def _check_one_line(secret: str) -> None:
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ValueError("does not hold one line of printable ASCII")
