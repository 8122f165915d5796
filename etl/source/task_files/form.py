"""Finds out the form of a file by its first bytes, and says what to do with a form that the job does not read."""

from enum import Enum, auto

from etl.error_codes import Code
from etl.errors import InputError


class Form(Enum):
    """The forms that the job reads."""

    TEXT = auto()
    """Lines, CSV or NDJSON."""
    PARQUET = auto()
    WORKBOOK = auto()
    """A ZIP archive, which may be an Excel workbook."""


KNOWN = {b"PAR1": Form.PARQUET, b"PK\x03\x04": Form.WORKBOOK}

AS_PARQUET = "Write it as Parquet, or as CSV with the IDs as text."
AS_UTF8 = "Save it as UTF-8, for example by `iconv -f UTF-16 -t UTF-8 FILE | task-audit enqueue --file -`."

OTHERS = {
    b"\x1f\x8b": ("compressed by gzip", "Unpack it: `gzip -dc FILE | task-audit enqueue --file -`."),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "Unpack it: `zstd -dc FILE | task-audit enqueue --file -`."),
    b"BZh": ("compressed by bzip2", "Unpack it: `bzip2 -dc FILE | task-audit enqueue --file -`."),
    b"\xfd7zXZ": ("compressed by xz", "Unpack it: `xz -dc FILE | task-audit enqueue --file -`."),
    b"ARROW1": ("an Arrow or Feather file", AS_PARQUET),
    b"\xff\xff\xff\xff": ("a stream of Arrow", AS_PARQUET),
    b"PARE": ("an encrypted Parquet file", "Write it without encryption."),
    b"ORC": ("an ORC file", AS_PARQUET),
    b"Obj\x01": ("an Avro file", AS_PARQUET),
    b"SQLite format 3\0": ("an SQLite database", "Read it where it is, with source.mode = 'read_only', or export CSV."),
    b"\xd0\xcf\x11\xe0": (
        "an old or an encrypted Excel workbook",
        "Save it as .xlsx without a password, or export it as CSV from the program that has the IDs.",
    ),
    b"%PDF": ("a PDF", "Export the IDs as CSV."),
    b"\xff\xfe": ("text in UTF-16", AS_UTF8),
    b"\xfe\xff": ("text in UTF-16", AS_UTF8),
}

BEGINNINGS = {
    b"[": (
        "a JSON array",
        "Write one object a line: `jq -c '.[]' FILE | task-audit enqueue --file -`; jq 1.7 or later keeps all digits.",
    ),
    b"<": ("XML or HTML", "Export the IDs as CSV."),
}
"""The first characters after blanks, of text that is no table."""


def form_of(beginning: bytes, name: str) -> Form:
    """Return the form of a file.

    Args:
        beginning: its first bytes.
        name: its name in errors.

    Raises:
        InputError: the file has another form.
    """
    for magic, form in KNOWN.items():
        if beginning.startswith(magic):
            return form
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    for start, bytes_of_file in ((OTHERS, beginning), (BEGINNINGS, text)):
        for magic, (what, remedy) in start.items():
            if bytes_of_file.startswith(magic):
                raise foreign(name, what, remedy)
    if beginning[8:12] == b"DUCK":
        raise foreign(name, "a DuckDB database", "Write the IDs to Parquet: `COPY (SELECT …) TO 'ids.parquet'`.")
    return Form.TEXT


def foreign(name: str, what: str, remedy: str) -> InputError:
    """Make the error for a file in another form."""
    return InputError(f"{name} is {what}.", code=Code.FILE_MALFORMED, remedy=f"{remedy} Nothing was added.")
