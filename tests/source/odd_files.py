"""Files of task IDs as real programs write them, with what the job makes of each; a table of the documentation."""

import gzip
import io
import json
import lzma
import zipfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import polars as pl
import pytest

ID = "1534087020903704704"
OTHER = "1534087020903704705"
TIME = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class OddFile:
    """A file, and either its tasks or a part of the refusal."""

    what: str
    """The file in words, as a row of the table."""
    content: bytes
    tasks: tuple = ()
    refusal: str = ""
    column: str | None = None

    @property
    def row(self):
        """The row of the table in the documentation."""
        return f"| {self.what} | {f'“… {self.refusal} …”' if self.refusal else 'taken'} |"


def text(what, content, refusal="", *, tasks=((ID, None), ("42", None)), encoding="utf-8", column=None):
    return OddFile(what, content.encode(encoding), () if refusal else tuple(tasks), refusal, column)


def parquet(what, refusal="", tasks=((ID, None),), column=None, **columns):
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return OddFile(what, file.getvalue(), () if refusal else tuple(tasks), refusal, column)


def of_duckdb(what, select, folder, refusal="", tasks=((ID, None),)):
    path = folder / "ids.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return OddFile(what, path.read_bytes(), () if refusal else tuple(tasks), refusal)


def of_openpyxl(what, rows, refusal="", *, tasks=((ID, None),), column=None, more_sheets=()):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for sheet in [book.active, *(book.create_sheet() for _ in more_sheets)]:
        for row in rows if sheet is book.active else more_sheets[0]:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return OddFile(what, file.getvalue(), () if refusal else tuple(tasks), refusal, column)


def of_xlsxwriter(what, rows, refusal="", tasks=((ID, None),)):
    xlsxwriter = pytest.importorskip("xlsxwriter")
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "default_date_format": "yyyy-mm-dd"}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                (sheet.write_string if isinstance(value, str) else sheet.write)(number, column, value)
    return OddFile(what, file.getvalue(), () if refusal else tuple(tasks), refusal)


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in members.items():
            made.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return file.getvalue()


def texts():
    return [
        text("one ID a line", f"{ID}\n42\n"),
        text("one ID a line, with CRLF, a byte order mark and empty lines", f"\ufeff{ID}\r\n\r\n  42  \r\n"),
        text("CSV with commas", f"name,task_id\nLi,{ID}\nMei,42\n"),
        text("CSV with semicolons, as Excel writes it in Europe", f"Task_ID;Name\r\n{ID};Li\r\n42;Mei\r\n"),
        text("CSV with quoted semicolons", f'"task_id";"name"\n"{ID}";"Li; Mei"\n"42";""\n'),
        text("CSV with tabs", f"task_id\tname\n{ID}\tLi\n42\tMei\n"),
        text("`psql -A` with bars", f"task_id|name\n{ID}|Li\n42|Mei\n"),
        text("a header in another case: `Task ID`, `taskId`", f"Task ID,name\n{ID},Li\n42,Mei\n"),
        text(
            "times under `submittedAt` or `Submitted_At`",
            f"taskId,submittedAt\n{ID},2026-11-01\n42,20261101\n",
            tasks=((ID, TIME), ("42", TIME)),
        ),
        text("another name of the column, with `--column id`", f"id,name\n{ID},Li\n42,Mei\n", column="id"),
        text("another name of the column", f"id,name\n{ID},Li\n", "is more than a task ID, and no header"),
        text("a header alone in its line that is not `task_id`", f"id\n{ID}\n", "If it is a header"),
        text("two columns without a header", f"{ID},42\n", "is more than a task ID, and no header"),
        text("two columns of task IDs", f"task_id,Task ID\n{ID},42\n", "has two columns named task_id"),
        text("scientific notation", f"task_id\n{ID}\n1.53409E+18\n", "a spreadsheet's scientific notation"),
        text(
            "scientific notation with a comma", "task_id;name\n1,53409E+18;Li\n", "a spreadsheet's scientific notation"
        ),
        text("decimals", f"task_id\n{ID}.0\n", "It was a number with decimals"),
        text("separators of thousands", 'task_id\n"1,534,087,020,903,704,704"\n', "It has separators of thousands"),
        text("separators of thousands, points", "1.534.087.020.903.704.704\n", "It has separators of thousands"),
        text("an apostrophe in front", f"task_id\n'{ID}\n", "It has an apostrophe"),
        text('the form `="…"`', f'task_id\n"=""{ID}"""\n', "It has the form"),
        text("an error of a cell", "task_id\n#N/A\n", "a spreadsheet's error"),
        text("a cell that is too narrow", "task_id\n#######\n", "a spreadsheet's error"),
        text("a missing value", "task_id,name\nNULL,Li\n", "It stands for a missing value"),
        text("an empty cell beside others", f"task_id,name\n{ID},Li\n,Mei\n", "It stands for a missing value"),
        text("blanks inside", "15340870209 03704704\n", "It has blanks inside"),
        text("an invisible character", f"task_id\n\u200b{ID}\n", "It has the invisible character U+200B"),
        text("full-width digits", "task_id\n\uff14\uff12\n", "Its digits are those of another script"),
        text("a sign", "task_id\n-42\n", "It has a sign"),
        text("20 digits", "1" * 20, "It has more than 19 digits"),
        text("IDs that were rounded", f"{ID[:15]}0000\n{OTHER[:15]}0000\n1534087020903710000\n", "rounded them"),
        text("UTF-16, Excel's 'Unicode text'", f"task_id\n{ID}\n", "text in UTF-16", encoding="utf-16"),
        text(
            "GBK or Latin-1 with other letters than ASCII",
            f"task_id,größe\n{ID},1\n",
            "is not UTF-8",
            encoding="latin-1",
        ),
        text("lines that end in CR alone", f"task_id\r{ID}\r42\r", "text whose lines end in CR alone"),
        text("NDJSON", f'{{"task_id": {ID}}}\n{{"taskId": "42"}}\n'),
        text("NDJSON with a number in scientific notation", '{"task_id": 1.5e18}\n', "a floating point"),
        text("a JSON array", json.dumps([{"task_id": ID}]), "a JSON array"),
        text("HTML or XML", "<html><table>", "XML or HTML"),
        text("seconds since 1970 as times", f"task_id,submitted_at\n{ID},1730419200\n", "is not a time"),
        text("times whose month is doubtful", f"task_id,submitted_at\n{ID},11/01/2026\n", "is not a time"),
    ]


def columns(folder):
    far = pl.Series([2**61], dtype=pl.Int64).cast(pl.Datetime("us"))
    feather = io.BytesIO()
    pl.DataFrame({"task_id": [ID]}).write_ipc(feather)
    return [
        parquet("Parquet with integers", task_id=[int(ID)]),
        parquet("Parquet with texts and times of a zone", tasks=[(ID, TIME)], task_id=[ID], submitted_at=[TIME]),
        parquet("Parquet with dates", tasks=[(ID, TIME)], task_id=[ID], submitted_at=[date(2026, 11, 1)]),
        parquet("Parquet with categories", task_id=pl.Series([ID], dtype=pl.Categorical)),
        parquet("Parquet with decimals of scale 0", task_id=pl.Series([Decimal(ID)], dtype=pl.Decimal(38, 0))),
        parquet(
            "Parquet with decimals of another scale",
            "which are no whole numbers",
            task_id=pl.Series([Decimal(ID)], dtype=pl.Decimal(38, 2)),
        ),
        parquet("Parquet with floating-point numbers", "which keep 15 to 17 digits", task_id=[float(ID)]),
        parquet("Parquet with bytes", "which are no whole numbers", task_id=[ID.encode()]),
        parquet("Parquet with a null", "The row has no task_id", task_id=[int(ID), None]),
        parquet("Parquet with times as numbers", "which are no times", task_id=[ID], submitted_at=[1730419200]),
        parquet("Parquet with a time that no calendar has", "is not a time", task_id=[ID], submitted_at=far),
        parquet(
            "Parquet with the last time of 9999 in a zone",
            "is not a time",
            task_id=[ID],
            submitted_at=pl.Series([datetime(9999, 12, 31, 23)]).dt.replace_time_zone("America/New_York"),  # noqa: DTZ001
        ),
        parquet("Parquet with two columns of task IDs", "has two columns named task_id", task_id=[ID], taskId=[ID]),
        of_duckdb("Parquet of DuckDB, DECIMAL(38, 0)", f"SELECT {ID}::DECIMAL(38, 0) AS task_id", folder),
        of_duckdb("Parquet of DuckDB, UBIGINT", f"SELECT {ID}::UBIGINT AS task_id", folder),
        of_duckdb(
            "Parquet of DuckDB, HUGEINT, which it writes as floating-point numbers",
            f"SELECT sum({ID}::BIGINT) AS task_id",
            folder,
            "which keep 15 to 17 digits",
        ),
        of_duckdb(
            "Parquet of DuckDB, `infinity`",
            f"SELECT '{ID}' AS task_id, 'infinity'::TIMESTAMP AS submitted_at",
            folder,
            "is not a time",
        ),
        OddFile("Feather or Arrow", feather.getvalue(), refusal="an Arrow or Feather file"),
        OddFile("a file of gzip", gzip.compress(f"task_id\n{ID}\n".encode()), refusal="compressed by gzip"),
        OddFile("a file of xz", lzma.compress(f"task_id\n{ID}\n".encode()), refusal="compressed by xz"),
        OddFile("a ZIP archive", archive(ids_csv=ID), refusal="a ZIP archive"),
        OddFile("an OpenDocument file", archive(content_xml="<x/>"), refusal="an OpenDocument file"),
    ]


def workbooks():
    header = ["name", "Task ID"]
    return [
        of_openpyxl("a workbook with texts (openpyxl)", [header, ["Li", ID]]),
        of_openpyxl("a workbook with a title above the header", [[], header, [], ["Li", f" {ID} "]]),
        of_openpyxl(
            "a workbook with times (openpyxl)",
            [["task_id", "submitted_at"], [ID, datetime(2026, 11, 1)]],  # noqa: DTZ001 - cells have no zone
            tasks=[(ID, TIME)],
        ),
        of_openpyxl("a workbook with numbers (openpyxl)", [header, ["Li", int(ID)]], "holds a number"),
        of_openpyxl("a workbook with small numbers", [header, ["Li", 42]], "holds a number"),
        of_openpyxl("a workbook with an empty cell", [header, ["Li", ID], ["Mei", None]], "The row has no task_id"),
        of_openpyxl("a workbook without such a column", [["name"], ["Li"]], "has no column task_id"),
        of_openpyxl("a workbook, with `--column Nummer`", [["Nummer"], [ID]], column="Nummer"),
        of_openpyxl("a workbook with two such sheets", [header, ["Li", ID]], "two sheets", more_sheets=[[header]]),
        of_xlsxwriter("a workbook with texts (XlsxWriter)", [header, ["Li", ID]]),
        of_xlsxwriter("a workbook with numbers (XlsxWriter)", [header, ["Li", int(ID)]], "holds a number"),
        of_xlsxwriter(
            "a workbook with times (XlsxWriter)",
            [["task_id", "submitted_at"], [ID, date(2026, 11, 1)]],
            tasks=[(ID, TIME)],
        ),
        OddFile("a damaged workbook", archive(xl__workbook_xml="<x"), refusal="cannot be read as an Excel workbook"),
    ]


def odd_files(folder):
    return [*texts(), *columns(folder), *workbooks()]
