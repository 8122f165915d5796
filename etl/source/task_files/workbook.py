"""Reads an Excel workbook whose cells of IDs are text. A number in a cell has lost the digits after the fifteenth."""

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO

from etl.error_codes import Code
from etl.errors import ConfigurationError, InputError
from etl.source.task_files.columns import NOTHING_ADDED, Columns, find_columns, require_columns
from etl.source.task_files.form import foreign
from etl.source.task_files.values import RawRow

MAX_UNPACKED_BYTES = 1 << 30
"""The largest content of a workbook; texts of cells are kept in memory."""

TEXT_CELLS = (
    "A spreadsheet keeps 15 digits of a number, and an ID has 19: export the IDs again from the program that has them, "
    "and import that column as text."
)


def workbook_rows(stream: BinaryIO, name: str, column: str | None) -> Iterator[RawRow]:
    """Yield the rows of the sheet that has a column of task IDs.

    Args:
        stream: the file, which may be any ZIP archive.
        name: its name in errors.
        column: the name of the column of task IDs; None stands for ``task_id``.

    Raises:
        InputError: the file is no workbook, is damaged, has no or two such sheets, or has numbers instead of texts.
        ConfigurationError: the extra `excel` is not installed.
    """
    with TemporaryFile() as spool:
        copyfileobj(stream, spool)
        spool.seek(0)
        try:
            _require_workbook(spool, name)
            yield from _rows(spool, name, column)
        except (InputError, ConfigurationError):
            raise
        except Exception as error:
            # openpyxl has no error of its own for a damaged file: it fails wherever the damage is.
            raise InputError(
                f"{name} cannot be read as an Excel workbook: {type(error).__name__}.",
                code=Code.FILE_MALFORMED,
                remedy=NOTHING_ADDED,
            ) from error


def _require_workbook(spool: IO[bytes], name: str) -> None:
    with zipfile.ZipFile(spool) as archive:
        members = archive.infolist()
    names = {member.filename for member in members}
    if "xl/workbook.xml" not in names:
        what = "an OpenDocument file" if "content.xml" in names else "a ZIP archive"
        what = "a binary Excel workbook" if "xl/workbook.bin" in names else what
        raise foreign(name, what, f"Unpack it, or save it as .xlsx. {TEXT_CELLS}")
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise foreign(name, "an Excel workbook with more than 1 GiB of content", "Export the IDs as CSV.")


def _rows(spool: IO[bytes], name: str, column: str | None) -> Iterator[RawRow]:
    try:
        import openpyxl  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError(
            "An Excel workbook needs the extra `excel`, which is not installed.",
            code=Code.EXTRA_MISSING,
            remedy="Install it: pip install 'koodrive-task-audit[excel]'; or export the IDs as CSV.",
        ) from error
    with warnings.catch_warnings():
        # It warns of styles and extensions that do not matter here.
        warnings.simplefilter("ignore")
        book = openpyxl.load_workbook(spool, read_only=True, data_only=True, keep_links=False)
        sheet, header_row, columns = _find_sheet(book.worksheets, name, column)
        for cells in sheet.iter_rows(min_row=header_row + 1):
            if any(cell.value is not None for cell in cells):
                number = next(cell.row for cell in cells if cell.value is not None)
                yield number, _id(cells, columns.task_id, f"{name}, row {number}"), _value(cells, columns.submitted_at)


def _find_sheet(sheets: Sequence[Any], name: str, column: str | None) -> tuple[Any, int, Columns]:
    """Return the sheet with a column of task IDs, the row of its header, and its columns."""
    found, headers = [], []
    for sheet in sheets:
        # Some programs write a size that is too small.
        sheet.reset_dimensions()
        for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            if any(value is not None for value in cells):
                header = ["" if value is None else str(value) for value in cells]
                headers.append(header)
                if columns := find_columns(header, column, place=f"{name}, row {number}"):
                    found.append((sheet, number, columns))
                break
    if not found:
        require_columns(max(headers, key=len, default=[]), column, place=name)
    if len(found) > 1:
        both = " and ".join(repr(sheet.title) for sheet, *_ in found[:2])
        raise InputError(
            f"{name} has two sheets with task IDs: {both}.",
            code=Code.FILE_MALFORMED,
            remedy=f"Remove one, or name the column of one by --column. {NOTHING_ADDED}",
        )
    return found[0]


def _id(cells: Any, index: int, place: str) -> object:
    value = _value(cells, index)
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise InputError(
            f"{place}: the cell of the task ID holds a number, {value}.",
            code=Code.VALUE_WRONG,
            remedy=f"{TEXT_CELLS} Nothing was added.",
        )
    return value


def _value(cells: Any, index: int | None) -> object:
    return cells[index].value if index is not None and index < len(cells) else None
