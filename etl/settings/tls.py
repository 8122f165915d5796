"""Makes the TLS contexts of the job: with the system's authorities, those of a file, and a client certificate."""

import ssl
from pathlib import Path

from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.settings.model import ApiSettings
from etl.settings.secret_files import load_secret


def api_tls(settings: ApiSettings) -> ssl.SSLContext | None:
    """Make the context for the API; None if the settings ask for nothing but the default.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    if settings.ca_file is None and settings.client_certificate_file is None:
        return None
    context = trusting(settings.ca_file)
    if settings.client_certificate_file is not None:
        _load_client_certificate(context, settings, settings.client_certificate_file)
    return context


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Make a context that trusts the system's authorities and those of a file in PEM.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    context = ssl.create_default_context()
    if ca_file is None:
        return context
    try:
        context.load_verify_locations(cadata=ca_file.read_text(encoding="ascii"))
    except OSError as error:
        problem = _problem(error, "holds no certificate in PEM")
    except ValueError:
        problem = "holds no certificate in PEM"
    else:
        return context
    raise ConfigurationError(
        f"api.ca_file: {ca_file} {problem}.",
        code=Code.SETTING_WRONG,
        remedy="Name a file with the authority's certificate in PEM (-----BEGIN CERTIFICATE-----).",
    )


def _load_client_certificate(context: ssl.SSLContext, settings: ApiSettings, certificate: Path) -> None:
    secret = load_secret(
        settings.client_key_password, settings.client_key_password_file, setting="api.client_key_password"
    )
    password = secret.get_secret_value() if secret else ""
    try:
        # Without a password OpenSSL would ask for it on the terminal.
        context.load_cert_chain(certificate, settings.client_key_file, password=lambda: password)
    except OSError as error:
        files = " and ".join(str(file) for file in (certificate, settings.client_key_file) if file)
        problem = _problem(error, "are no certificate with its key in PEM, or the key's password is wrong")
        raise ConfigurationError(
            f"api.client_certificate_file: {files} {problem}.",
            code=Code.SETTING_WRONG,
            remedy="Check api.client_certificate_file, api.client_key_file and api.client_key_password_file.",
        ) from None


def _problem(error: OSError, otherwise: str) -> str:
    """Return the reason why a file cannot be used; an error of OpenSSL is one of the system, too."""
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "do not belong together"
        return otherwise
    return f"cannot be read: {error.strerror}"
