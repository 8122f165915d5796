import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.koodrive.drift import (
    MALFORMED,
    MAX_DEPTH,
    MAX_DIFFERENCES,
    read_answer,
    read_strictly,
)
from etl.tasks.detail import API_FIELDS, MAX_ID_CHARACTERS, MAX_TEXT_CHARACTERS

TEXTS = ["taskName", "tenantId", "userId", "msg"]
DOCUMENTED = {field.api_name: field.example for field in API_FIELDS}
DOCUMENTED |= {"taskId": "17", "taskName": "a", "taskType": 0, "tenantId": "b", "userId": "c", "status": 3}
DOCUMENTED |= {"resultCode": "18000205", "code": 0, "msg": "成功"}


def drift_of(body):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return read_answer(body)[1]


def with_fields(**changed):
    return {name: value for name, value in (DOCUMENTED | changed).items() if value is not ...}


@pytest.mark.parametrize(
    "body",
    [
        DOCUMENTED,
        with_fields(resultCode=...),
        with_fields(resultCode=None),
        with_fields(status=2, resultCode=...),
        with_fields(code="0"),
        with_fields(taskType=1, status=0),
        with_fields(msg='a "success", \\ they say'),
        with_fields(taskName="resultCode"),
        json.dumps(DOCUMENTED, indent=4).encode(),
        json.dumps(with_fields(resultCode=None), indent=4).encode(),
        json.dumps(with_fields(resultCode=None), separators=(" ,", " : ")).encode(),
        json.dumps(DOCUMENTED).replace("taskId", "task\\u0049d").encode(),
    ],
)
def test_what_is_as_documented(body):
    assert drift_of(body) == ()


@pytest.mark.parametrize(
    ("changed", "drift"),
    [
        *[({name: ...}, [f"missing field {name}"]) for name in ["taskType", *TEXTS, "code"]],
        *[({name: None}, [f"{name} is null"]) for name in ["taskType", *TEXTS, "code"]],
        *[({name: 17}, [f"{name} is int"]) for name in ["taskId", "tenantId", "userId", "resultCode"]],
        ({"status": "3"}, ["status is str"]),
        ({"status": "3", "taskType": "0"}, ["taskType is str", "status is str"]),
        ({"status": 7}, ["unknown status 7"]),
        ({"status": " -7 "}, ["status is str", "unknown status -7"]),
        ({"taskType": 2}, ["unknown taskType 2"]),
        ({"ownerName": "Wang Fang"}, ["unknown field ownerName"]),
        ({"added": None}, ["unknown field added"]),
        ({"added": 1, "resultCode": ...}, ["unknown field added"]),
        ({"added": 1, "resultCode": ..., "taskName": '"resultCode":'}, ["unknown field added"]),
        ({"added": {"resultCode": None}, "resultCode": ...}, ["unknown field added"]),
        ({"error_code": None}, ["unknown field error_code"]),
        ({"error_msg": "", "b": {"c": [1]}}, ["unknown field error_msg", "unknown field b"]),
        ({"taskname": "a", "taskName": ...}, ["missing field taskName", "unknown field taskname"]),
    ],
)
def test_what_differs_is_named(changed, drift):
    assert drift_of(with_fields(**changed)) == tuple(drift)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x" * 64, "x" * 64),
        ("x" * 65, "'" + "x" * 63),
        ("x" * 500_000, "'" + "x" * 63),
        ("", "''"),
        ("a\nb", "'a\\nb'"),
        ("\u202eabc", "'\\u202eabc'"),
        ("\x00" * 64, "'" + "\\x00" * 15 + "\\x0"),
        ("姓名", "姓名"),
    ],
)
def test_a_name_from_outside_is_bounded_and_printable(name, shown):
    assert drift_of(with_fields(**{name: 1})) == (f"unknown field {shown}",)


def test_many_unknown_names_make_few_differences():
    assert len(drift_of(DOCUMENTED | {str(number): 1 for number in range(10_000)})) == MAX_DIFFERENCES


@pytest.mark.parametrize("body", [b"18446744073709551615", b"-9223372036854775808", b"0.1", b"1e300", b"[[],{}]"])
def test_what_every_parser_can_hold(body):
    assert read_strictly(body) == json.loads(body)


@pytest.mark.parametrize("one", ["[%s]", '{"a":%s}', "[1,[],%s]"])
def test_the_depth_is_bounded(one):
    def nested(levels):
        body = "1"
        for _ in range(levels):
            body = one.replace("%s", body)
        return body.encode()

    read_strictly(nested(MAX_DEPTH - 1))
    for levels in (MAX_DEPTH + 1, 900, 20_000):
        with pytest.raises(MALFORMED):
            read_strictly(nested(levels))


def test_many_brackets_are_not_depth():
    assert len(read_strictly(b"[" + b",".join([b"[]"] * 10_000) + b"]")) == 10_000
    assert drift_of(with_fields(msg="[" * 100 + "{" * 100)) == ()


JSON_TEXT = st.text(st.characters(exclude_categories=()), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | JSON_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(JSON_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(body=st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_no_body_does_more_than_be_refused(body):
    for read in (read_strictly, read_answer):
        try:
            read(body)
        except MALFORMED:
            continue


LONG_NAME = "n" * MAX_TEXT_CHARACTERS


@pytest.mark.parametrize(
    ("changed", "kept", "drift"),
    [
        ({"taskName": LONG_NAME}, {"task_name": LONG_NAME}, ()),
        ({"taskName": LONG_NAME + "m"}, {"task_name": LONG_NAME}, ("taskName is longer than 4,000 characters",)),
        ({"resultCode": "9" * 501}, {"result_code": "9" * 500}, ("resultCode is longer than 500 characters",)),
        (
            {"msg": "\\" * 4_001, "code": 0, "new": 1},
            {"response_message": "\\" * 4_000, "response_code": 0},
            ("msg is longer than 4,000 characters", "unknown field new"),
        ),
    ],
)
def test_a_long_text_is_cut_and_counted(changed, kept, drift):
    detail, differences = read_answer(json.dumps(with_fields(**changed)).encode())

    assert {name: getattr(detail, name) for name in kept} == kept
    assert differences == drift


@pytest.mark.parametrize("name", ["tenantId", "userId"])
def test_a_long_id_is_refused_since_a_part_of_it_is_another_id(name):
    assert drift_of(with_fields(**{name: "t" * MAX_ID_CHARACTERS})) == ()
    with pytest.raises(MALFORMED):
        read_answer(json.dumps(with_fields(**{name: "t" * (MAX_ID_CHARACTERS + 1)})).encode())
