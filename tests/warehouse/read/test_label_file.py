"""The CSV file of labels: read as a whole, or refused with its line and column."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import InputError
from etl.resources import resource
from etl.warehouse.read.label_file import Label, read_labels, write_labels

HEADER = "dimension,code,label,category,remedy\n"


def read(content):
    written = content if isinstance(content, bytes) else content.encode()
    return read_labels(io.BytesIO(written), "labels.csv")


def label(dimension, code, words="", category="", remedy=""):
    return Label(dimension=dimension, code=code, label=words, category=category, remedy=remedy)


def test_rows():
    content = HEADER + 'result_code,18000205,"Disk, full",quota,Buy space\n\ntask_type,9,SHREDDING,,\r\n'
    assert read(content) == [
        label("result_code", "18000205", "Disk, full", "quota", "Buy space"),
        label("task_type", "9", "SHREDDING"),
    ]


def test_columns_in_any_order_after_a_byte_order_mark():
    assert read("\ufeffcode, label ,dimension,remedy,category\n1,a,result_code,b,c\n") == [
        label("result_code", "1", "a", "c", "b")
    ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "labels.csv is empty. `task-audit labels export` writes a file"),
        ("\n\n", "labels.csv is empty."),
        ("dimension;code;label;category;remedy\n", "line 1: there is no column dimension. Separate the columns by"),
        ("dimension,code,label,category\n", "line 1: there is no column remedy."),
        ("dimension,code,label,category,remedy,label\n", "line 1: there is more than one column label."),
        ("dimension,code,label,category,remedy,note\n", "line 1: the column 'note' is unknown."),
        (HEADER + "result_code,1,a\n", "line 2, has 3 columns instead of 5."),
        (HEADER + "result_code,1,a,b,c,d\n", "line 2, has 6 columns instead of 5."),
        (HEADER + "code,1,a,b,c\n", "line 2, column dimension: 'code' is neither result_code nor task_type."),
        (HEADER + "result_code,,a,b,c\n", "line 2, column code: it is empty."),
        (HEADER + "result_code,1,,b,\n", "line 2, column label: it is empty, but the row has a category or a remedy."),
        (HEADER + 'result_code,1,"a\nb",,\ntask_type,x,a,,\n', "line 4, column code: 'x' is not the number of a"),
        (HEADER + "task_type,01,a,,\n", "'01' is not the number"),
        (HEADER + "task_type,\u0661,a,,\n", "is not the number"),
        (HEADER + f"task_type,{2**63},a,,\n", "is not the number"),
        (HEADER + f"result_code,{'1' * 501},a,,\n", "line 2, column code: 501 characters are more than 500."),
        (HEADER + f"result_code,1,{'a' * 2001},,\n", "line 2, column label: 2,001 characters are more than 2,000."),
        (HEADER + "result_code,1,a\0b,,\n", "line 2, column label: it holds a NUL character."),
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


def test_the_same_code_may_stand_in_both_dimensions():
    assert len(read(HEADER + "result_code,9,a,,\ntask_type,9,b,,\n")) == 2


def test_the_shipped_example():
    with resource("configs", "labels.csv").open("rb") as file:
        labels = read_labels(file, "labels.csv")
    assert {each.dimension for each in labels} == {"result_code", "task_type"}


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
