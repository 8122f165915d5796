"""The CSV file of labels: read as a whole, or refused with its line and column."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import InputError
from etl.resources import resource
from etl.warehouse.read.label_file import Label, read_labels, write_labels

HEADER = "dimension,code,title,category,action\n"


def read(content):
    written = content if isinstance(content, bytes) else content.encode()
    return read_labels(io.BytesIO(written), "labels.csv")


def label(dimension, code, title="", category="", action=""):
    return Label(dimension=dimension, code=code, title=title, category=category, action=action)


def test_rows():
    content = HEADER + 'result_code,18000205,"Disk, full",quota,Buy space\n\ntask_type,9,SHREDDING,,\r\n'
    assert read(content) == [
        label("result_code", "18000205", "Disk, full", "quota", "Buy space"),
        label("task_type", "9", "SHREDDING"),
    ]


def test_columns_in_any_order_after_a_byte_order_mark():
    assert read("\ufeffcode, title ,dimension,action,category\n1,a,result_code,b,c\n") == [
        label("result_code", "1", "a", "c", "b")
    ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "labels.csv is empty. `task-audit labels export` writes a file"),
        ("\n\n", "labels.csv is empty."),
        ("dimension;code;title;category;action\n", "line 1: there is no column dimension. Separate the columns by"),
        ("dimension,code,title,category\n", "line 1: there is no column action."),
        ("dimension,code,title,category,action,label\n", "line 1: there is more than one column title."),
        ("dimension,code,title,category,action,note\n", "line 1: the column 'note' is unknown."),
        (HEADER + "result_code,1,a\n", "line 2, has 3 columns instead of 5."),
        (HEADER + "result_code,1,a,b,c,d\n", "line 2, has 6 columns instead of 5."),
        (HEADER + "code,1,a,b,c\n", "line 2, column dimension: 'code' is none of result_code, task_type, tenant."),
        (HEADER + "result_code,,a,b,c\n", "line 2, column code: it is empty."),
        (HEADER + "result_code,1,,b,\n", "line 2, column title: it is empty, but the row has a category or an action."),
        (HEADER + 'result_code,1,"a\nb",,\ntask_type,x,a,,\n', "line 4, column code: 'x' is not the number of a"),
        (HEADER + "task_type,01,a,,\n", "'01' is not the number"),
        (HEADER + "task_type,\u0661,a,,\n", "is not the number"),
        (HEADER + f"task_type,{2**63},a,,\n", "is not the number"),
        (HEADER + f"result_code,{'1' * 501},a,,\n", "line 2, column code: 501 characters are more than 500."),
        (HEADER + f"result_code,1,{'a' * 2001},,\n", "line 2, column title: 2,001 characters are more than 2,000."),
        (HEADER + "result_code,1,a\0b,,\n", "line 2, column title: it holds a NUL character."),
        (HEADER + "result_code,1,a,,\nresult_code,1,b,,\n", "line 3, column code: '1' is on line 2 already."),
        (HEADER + 'result_code,1,"a,,\n', "line 2, is not CSV"),
        (HEADER.encode() + b"result_code,1,\xe4,,\n", "line 2, is not UTF-8."),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_column(content, complaint):
    with pytest.raises(InputError) as refused:
        read(content)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_same_code_may_stand_in_every_dimension():
    assert len(read(HEADER + "result_code,9,a,,\ntask_type,9,b,,\ntenant,9,c,,\n")) == 3


def test_the_former_names_of_the_columns_are_taken():
    rows = "result_code,1,a,b,c\n"
    assert read("dimension,code,label,category,remedy\n" + rows) == read(HEADER + rows)


def test_the_shipped_example():
    with resource("configs", "labels.csv").open("rb") as file:
        labels = read_labels(file, "labels.csv")
    assert {each.dimension for each in labels} == {"result_code", "task_type", "tenant"}


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@given(words, words, words, words)
def test_what_is_written_is_read(code, name, category, remedy):
    labels = [
        label("result_code", code, name, category, remedy),
        label("task_type", "-9"),
        label("result_code", "=1+1"),
    ]
    labels = list({(each.dimension, each.code): each for each in labels}.values())
    assert read(write_labels(labels)) == labels
