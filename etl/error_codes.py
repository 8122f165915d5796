"""The codes of the errors that end a run, each with its exit code and the sentence that its page begins with.

The page of an error is ``docs/errors/CODE.md``.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from etl.exit_codes import ExitCode


@dataclass(frozen=True, slots=True)
class Summary:
    """The exit code that an error ends with, and the sentence that its page begins with."""

    exit_code: ExitCode
    sentence: str


class Code(StrEnum):
    """The stable name of an error, by the operator's next step; a released name never changes."""

    exit_code: ExitCode
    sentence: str

    def __new__(cls, name: str, summary: Summary | None = None) -> Self:
        """Make a member; a lookup such as ``Code("bug")`` never calls this method.

        Raises:
            TypeError: the member has no summary.
        """
        if summary is None:
            raise TypeError(f"The error code {name} needs a summary.")
        member = str.__new__(cls, name)
        member._value_ = name
        member.exit_code, member.sentence = summary.exit_code, summary.sentence
        return member

    SETTING_WRONG = "setting-wrong", Summary(ExitCode.CONFIGURATION, "A setting is unknown or has an invalid value.")
    SETTING_MISSING = "setting-missing", Summary(ExitCode.CONFIGURATION, "A setting that is needed has no value.")
    CONFIGURATION_UNREADABLE = (
        "configuration-unreadable",
        Summary(ExitCode.CONFIGURATION, "The configuration file or the secrets directory cannot be read."),
    )
    SECRET_UNREADABLE = (
        "secret-unreadable",
        Summary(ExitCode.CONFIGURATION, "The file of a secret cannot be read or holds no secret."),
    )
    EXTRA_MISSING = (
        "extra-missing",
        Summary(ExitCode.CONFIGURATION, "An optional part of the program is needed and is not installed."),
    )

    DATABASE_MISSING = (
        "database-missing",
        Summary(ExitCode.CONFIGURATION, "The file of an embedded database does not exist."),
    )
    DATABASE_UNAVAILABLE = (
        "database-unavailable",
        Summary(
            ExitCode.UNAVAILABLE, "The pending database or the warehouse is down, cannot be reached, or cannot write."
        ),
    )
    DATABASE_REFUSED = (
        "database-refused",
        Summary(
            ExitCode.CONFIGURATION, "A database refuses the job's user, or lacks an object that the settings name."
        ),
    )
    DATABASE_UNSUPPORTED = (
        "database-unsupported",
        Summary(
            ExitCode.CONFIGURATION, "The database server is of a product, version or encoding that is not supported."
        ),
    )
    DATABASE_NEWER = (
        "database-newer",
        Summary(ExitCode.CONFIGURATION, "A newer version of DuckDB has made the file of the warehouse."),
    )
    POOLER_UNSUITABLE = (
        "pooler-unsuitable",
        Summary(ExitCode.CONFIGURATION, "The connection pooler in front of a database does not let the job work."),
    )
    SCHEMA_OPEN = (
        "schema-open",
        Summary(
            ExitCode.CONFIGURATION, "Every user of a database may create objects in the schema that holds the tables."
        ),
    )
    DATABASE_LOCKED = (
        "database-locked",
        Summary(ExitCode.STOPPED, "Another program has held a database, a table or a row for too long."),
    )
    DATABASE_TIME_WRONG = "database-time-wrong", Summary(ExitCode.CONFIGURATION, "A time in a database cannot be read.")
    SCHEMA_OUTDATED = (
        "schema-outdated",
        Summary(ExitCode.CONFIGURATION, "The tables do not exist yet or have an older version."),
    )
    SCHEMA_NEWER = "schema-newer", Summary(ExitCode.CONFIGURATION, "The tables have a newer version than this program.")
    TABLE_TAKEN = (
        "table-taken",
        Summary(
            ExitCode.CONFIGURATION, "A table with the pending table's name exists, and this program did not create it."
        ),
    )
    SOURCE_UNREADABLE = (
        "source-unreadable",
        Summary(ExitCode.CONFIGURATION, "Your own pending table cannot be read as configured."),
    )
    SOURCE_READ_ONLY = (
        "source-read-only",
        Summary(ExitCode.CONFIGURATION, "The pending table is your own, and this command would write to it."),
    )

    TASKS_UNCLAIMABLE = (
        "tasks-unclaimable",
        Summary(ExitCode.CONFIGURATION, "Tasks are due, but the pending database does not let the job claim them."),
    )

    API_INTERCEPTED = (
        "api-intercepted",
        Summary(ExitCode.UNAVAILABLE, "Another server responds in KooDrive's place, such as a proxy or a login page."),
    )
    API_UNAVAILABLE = (
        "api-unavailable",
        Summary(ExitCode.UNAVAILABLE, "KooDrive failed or did not respond for longer than the run may wait."),
    )
    API_THROTTLED = (
        "api-throttled",
        Summary(ExitCode.STOPPED, "KooDrive throttles every request or demands too long a pause."),
    )
    API_FORBIDDEN = (
        "api-forbidden",
        Summary(ExitCode.CREDENTIALS, "KooDrive accepts the credentials, but they lack the right to ask."),
    )
    API_ADDRESS_WRONG = (
        "api-address-wrong",
        Summary(ExitCode.CONFIGURATION, "The server at the configured address does not know the job's requests."),
    )
    API_CERTIFICATE_UNTRUSTED = (
        "api-certificate-untrusted",
        Summary(ExitCode.CONFIGURATION, "The API's certificate is not trusted."),
    )
    API_TLS_FAILED = (
        "api-tls-failed",
        Summary(
            ExitCode.CONFIGURATION, "The server at the API's address does not speak TLS, or not as this machine does."
        ),
    )
    API_LIST_UNENDING = "api-list-unending", Summary(ExitCode.UNAVAILABLE, "KooDrive's list of tasks does not end.")
    API_QUOTA_USED_UP = (
        "api-quota-used-up",
        Summary(ExitCode.UNAVAILABLE, "The app's quota or balance on the API's gateway is used up."),
    )
    CREDENTIALS_REFUSED = (
        "credentials-refused",
        Summary(ExitCode.CREDENTIALS, "KooDrive refuses the credentials, even after one renewal."),
    )
    CLIENT_CERTIFICATE_REFUSED = (
        "client-certificate-refused",
        Summary(ExitCode.CREDENTIALS, "The server at the API's address demands a client certificate, or refuses ours."),
    )
    PROXY_CREDENTIALS_REFUSED = (
        "proxy-credentials-refused",
        Summary(ExitCode.CREDENTIALS, "The proxy on the way to a server refuses the credentials, or demands some."),
    )
    PROXY_REFUSED = (
        "proxy-refused",
        Summary(ExitCode.CONFIGURATION, "The proxy does not connect to the API, or is no proxy."),
    )
    TOKEN_NOT_RENEWED = "token-not-renewed", Summary(ExitCode.CREDENTIALS, "The job could not get a new access token.")
    NETWORK_LOGIN_NEEDED = (
        "network-login-needed",
        Summary(ExitCode.UNAVAILABLE, "A login page of the network responds instead of KooDrive."),
    )

    ARCHIVE_UNAVAILABLE = "archive-unavailable", Summary(ExitCode.UNAVAILABLE, "The archive cannot be read or written.")
    ARCHIVE_DAMAGED = (
        "archive-damaged",
        Summary(ExitCode.DEAD_LETTERS, "A file of the archive is not as the job wrote it."),
    )
    EXPORT_UNAVAILABLE = (
        "export-unavailable",
        Summary(ExitCode.UNAVAILABLE, "The place of an export cannot be read or written."),
    )
    EXPORT_OVERTAKEN = (
        "export-overtaken",
        Summary(ExitCode.STOPPED, "Another export to the same place has finished in the meantime."),
    )
    EXPORT_PLACE_TAKEN = (
        "export-place-taken",
        Summary(ExitCode.USAGE, "The place that an export should go to holds something else."),
    )
    EXPORT_OTHER_WAREHOUSE = (
        "export-other-warehouse",
        Summary(ExitCode.USAGE, "The place holds the export of another warehouse."),
    )
    EXPORT_NEWER = (
        "export-newer",
        Summary(ExitCode.CONFIGURATION, "A newer version of the program has written the export."),
    )
    DISK_FULL = "disk-full", Summary(ExitCode.UNAVAILABLE, "A disk that the job writes to is almost full.")
    WEBHOOK_UNAVAILABLE = "webhook-unavailable", Summary(ExitCode.UNAVAILABLE, "The webhook did not accept a message.")
    COLLECTOR_UNAVAILABLE = (
        "collector-unavailable",
        Summary(ExitCode.UNAVAILABLE, "The OpenTelemetry collector did not accept a run's trace or metrics."),
    )

    STOPPED_BY_TIME = (
        "stopped-by-time",
        Summary(ExitCode.STOPPED, "The run ended cleanly at the time that was set for it."),
    )
    STOPPED_BY_SIGNAL = (
        "stopped-by-signal",
        Summary(ExitCode.STOPPED, "A signal stopped the run, and it ended cleanly."),
    )
    LEASES_LOST = "leases-lost", Summary(ExitCode.STOPPED, "Another run took over tasks that this run held.")
    INVALID_IDS_MANY = (
        "invalid-ids-many",
        Summary(ExitCode.STOPPED, "The pending table holds very many texts that are no task IDs."),
    )
    TASKS_UNANSWERED = (
        "tasks-unanswered",
        Summary(ExitCode.STOPPED, "The run reached its end, but some tasks have no answer yet."),
    )

    USAGE = "usage", Summary(ExitCode.USAGE, "The command line is wrong.")
    FILE_MALFORMED = (
        "file-malformed",
        Summary(ExitCode.USAGE, "An input file has a format that the program does not understand."),
    )
    OUTPUT_UNWRITABLE = "output-unwritable", Summary(ExitCode.UNAVAILABLE, "Stdout cannot be written.")
    FILE_UNWRITABLE = "file-unwritable", Summary(ExitCode.USAGE, "A file cannot be written.")
    VALUE_WRONG = "value-wrong", Summary(ExitCode.USAGE, "A value in a file or an argument is invalid.")
    QUESTION_UNKNOWN = "question-unknown", Summary(ExitCode.USAGE, "No ready-made question has this name.")
    QUESTION_NEEDS_QUEUE = (
        "question-needs-queue",
        Summary(ExitCode.USAGE, "The question compares the job's own queue with the facts, and no such queue exists."),
    )
    PARAMETER_WRONG = (
        "parameter-wrong",
        Summary(ExitCode.USAGE, "A parameter of a question is unknown, missing or wrong."),
    )
    RUN_UNKNOWN = "run-unknown", Summary(ExitCode.USAGE, "The run to report does not exist.")
    DEAD_LETTER_UNKNOWN = "dead-letter-unknown", Summary(ExitCode.USAGE, "The task has no such dead letter.")

    BUG = "bug", Summary(ExitCode.BUG, "The program met a case that it does not handle.")
