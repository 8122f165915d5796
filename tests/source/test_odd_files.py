"""Files as people bring them are taken exactly, or refused with the reason; the documentation has the table of them."""

import builtins
import io

import pytest

from etl.errors import ConfigurationError, InputError
from etl.source.task_files import read_pending
from tests.documents.pages import ROOT
from tests.source.odd_files import ID, archive, odd_files

PAGE = ROOT / "docs" / "how-to" / "enqueue.md"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return odd_files(tmp_path_factory.mktemp("odd"))


def read(content, **options):
    return tuple(read_pending(io.BytesIO(content), name="leavers", **options))


def test_each_is_taken_exactly_or_refused_with_its_reason(files):
    for file in files:
        if not file.refusal:
            assert read(file.content, column=file.column) == file.tasks, file.what
            continue
        with pytest.raises(InputError) as refused:
            read(file.content, column=file.column)
        assert file.refusal in str(refused.value), file.what
        assert "othing was added" in str(refused.value), file.what
        assert "\n" not in str(refused.value), file.what
        assert str(refused.value).split("] ")[1].startswith("leavers"), file.what


def test_they_are_more_than_fifty_and_the_page_lists_them(files):
    table = "\n".join(file.row for file in files)

    assert len({file.what for file in files}) == len(files) > 50
    assert table in PAGE.read_text(encoding="utf-8"), f"The table is now:\n{table}"


def test_rounded_ids_are_taken_if_a_person_says_so():
    content = b"1534087020903700000\n1534087020903710000\n1534087020903720000\n"

    assert len(read(content, allow_rounded=True)) == 3
    assert len(read(content[:40])) == 2
    assert len(read(content + f"{ID}\n1534087020903704705\n1534087020903704706\n".encode())) == 6


def test_another_column_is_named(files):
    assert read(b"id,task_id\n1,2\n", column="id") == (("1", None),)
    assert read(b'{"Task Number": 7}', column="task_number") == (("7", None),)
    with pytest.raises(InputError, match=r"leavers, line 1, has no column nummer. It has 'id', 'name'"):
        read(b"id;name\n1;Li\n", column="nummer")


def test_without_the_extra_a_workbook_names_it(monkeypatch):
    known = builtins.__import__

    def without(name, *arguments, **keywords):
        if name == "openpyxl":
            raise ImportError(name)
        return known(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"extra-missing.*needs the extra `excel`"):
        read(archive(xl__workbook_xml="<x/>"))
