from datetime import UTC, datetime, timedelta
from itertools import permutations
from random import Random
from types import NoneType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.normalize import COLUMNS, normalize
from etl.tasks import Observation, PendingTask, time_in_id
from etl.tasks.detail import FIELDS, MAX_CODE_CHARACTERS, Kind, TaskDetail

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
TASK_ID = "1534087020903704704"
TYPES = {Kind.ID: str, Kind.TEXT: str, Kind.CODE: str, Kind.NUMBER: int, Kind.TIME: datetime}


def seen(task_id=TASK_ID, *, at=NOON, submitted_at=None, **detail):
    return Observation(
        task=PendingTask(task_id=task_id, submitted_at=submitted_at),
        detail=TaskDetail(**{"task_id": task_id, "status": 2, **detail}),
        observed_at=at,
    )


def fact(**detail):
    return facts_of([seen(**detail)])[0]


def facts_of(batch):
    return [dict(zip(COLUMNS, row, strict=True)) for row in normalize(batch)]


task_ids = st.integers(0, 9_999_999_999_999_999_999).map(str)
instants = st.datetimes(datetime(2019, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - aware by the zone
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**18) + 1, 10**18 - 1).map(str)
details = st.fixed_dictionaries(
    {
        "status": st.sampled_from([0, 1, 2, 3, "2", "3", 7]) | numbers,
        "task_name": texts,
        "task_type": st.none() | numbers,
        "tenant_id": texts | st.integers(),
        "user_id": texts | st.integers(),
        "result_code": texts | st.integers(),
        "response_code": texts | st.integers(),
        "response_message": texts,
    }
)
observations = st.builds(
    lambda task_id, at, submitted_at, detail: seen(task_id, at=at, submitted_at=submitted_at, **detail),
    # Few IDs and few times, so that they meet.
    st.sampled_from(["0", "7", TASK_ID, "9999999999999999999"]) | task_ids,
    st.sampled_from([NOON, NOON + timedelta(microseconds=1)]) | instants,
    st.none() | instants,
    details,
)


@given(st.lists(observations, max_size=12))
def test_one_row_per_task_in_the_schema_of_facts(batch):
    facts = facts_of(batch)
    types = {field.name: TYPES[field.kind] for field in FIELDS} | {"observed_at": datetime}
    assert all(isinstance(value, (types[name], NoneType)) for fact in facts for name, value in fact.items())
    assert [fact["task_id"] for fact in facts] == sorted({observation.task.task_id for observation in batch})


@given(st.lists(observations, max_size=12), st.randoms())
def test_the_order_of_observations_does_not_matter(batch, random):
    shuffled = random.sample(batch, len(batch))
    assert normalize(batch) == normalize(shuffled) == normalize(batch[::-1])


@given(st.lists(observations, min_size=1, max_size=12))
def test_nothing_required_is_missing(batch):
    required = ["task_id", "status", "submitted_at", "submitted_at_source", "observed_at"]
    assert all(fact[name] is not None for fact in facts_of(batch) for name in required)


def test_two_claims_of_one_task_that_differ_in_submission_alone():
    batch = [seen(submitted_at=NOON - timedelta(days=days)) for days in range(4)] + [seen()]
    assert len({normalize(order)[0] for order in permutations(batch)}) == 1


def test_the_newest_observation_counts():
    batch = [seen(at=NOON + timedelta(minutes=minute), status=minute) for minute in range(4)]
    for order in permutations(batch):
        assert [fact["status"] for fact in facts_of(order)] == [3]


def test_nothing_seen():
    assert normalize([]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"status": 2}, {"status": "2"}),
        ({"status": 2}, {"status": " 2\n"}),
        ({"task_type": 0}, {"task_type": "0"}),
        ({"response_code": 0}, {"response_code": "0"}),
        ({"result_code": 18000205}, {"result_code": "18000205"}),
        ({"result_code": None}, {"result_code": ""}),
        ({"response_code": None}, {"response_code": ""}),
        ({"tenant_id": 40086000004871666}, {"tenant_id": "40086000004871666"}),
        ({"user_id": 10**30}, {"user_id": "1" + "0" * 30}),
    ],
)
def test_numbers_and_text_give_the_same_row(one, other):
    assert fact(**one) == fact(**other)


def test_result_code():
    assert fact(status=3)["result_code"] is None
    assert fact(status=3, result_code="")["result_code"] is None
    assert fact(status=3, result_code="0")["result_code"] == "0"
    assert fact(status=3, result_code=" 018000205")["result_code"] == " 018000205", "opaque: not a number, not trimmed"
    assert fact(status=2, result_code="18000205")["result_code"] == "18000205", "kept, whatever the status"


def test_a_code_is_cut_to_what_an_index_takes():
    assert fact(status=3, result_code="9" * 100_000)["result_code"] == "9" * MAX_CODE_CHARACTERS


@pytest.mark.parametrize("number", [7, -1, 2**63 - 1, -(2**63)])
def test_unknown_numbers_are_kept(number):
    row = fact(status=number, task_type=number)
    assert (row["status"], row["task_type"]) == (number, number)


def test_an_absent_type_stays_absent():
    assert fact(task_type=None)["task_type"] is None


@given(task_ids)
def test_the_time_in_the_id_stands_in_for_a_missing_submission(task_id):
    row = fact(task_id=task_id)
    assert row["task_id"] == task_id
    assert row["submitted_at"] == time_in_id(task_id)
    assert row["submitted_at_source"] == "task_id"


def test_the_time_in_documented_ids():
    assert fact(task_id="1534087020903704704")["submitted_at"] == datetime(2024, 10, 17, 7, 17, 3, 871_000, tzinfo=UTC)
    assert fact(task_id="1486254586942472064")["submitted_at"] == datetime(2024, 8, 12, 7, 22, 33, 401_000, tzinfo=UTC)


@given(instants)
def test_the_time_of_the_queue_is_kept_to_the_microsecond(submitted_at):
    row = fact(submitted_at=submitted_at)
    assert row["submitted_at"] == submitted_at
    assert row["submitted_at_source"] == "queue"


@pytest.mark.parametrize(
    "name",
    [
        "",
        " leading and trailing ",
        "\t\r\n\x01\x1b\x7f\x85\u2028",
        "🙂👩‍👩‍👧‍👦",
        "\u202egnp.exe\u202c",
        "\ufeff\ufffe",
        '交接 O\'Hara, "x"; \\N',
        "x" * 100_000,
    ],
)
def test_names_are_kept_as_they_are(name):
    assert fact(task_name=name)["task_name"] == name


@pytest.mark.parametrize("field", ["task_name", "tenant_id", "user_id", "result_code", "response_message"])
def test_nul_is_replaced(field):
    # PostgreSQL cannot store it.
    assert fact(**{field: "a\0b\0"})[field] == "a\ufffdb\ufffd"


@pytest.mark.parametrize("body", [rb'"\ud800"', rb'"x\udc00y"', rb'"\ud800\ud800"', b'"\xed\xa0\x80"'])
def test_halves_of_characters_never_come_this_far(body):
    # No database could take them; so this is said of the decoder that reads the answers.
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        msgspec.json.decode(body, type=str)


def test_many_at_once():
    ids = [str(1_534_087_020_903_704_704 + number) for number in range(20_000)]
    Random(7).shuffle(ids)
    facts = facts_of([seen(task_id) for task_id in ids])
    assert [fact["task_id"] for fact in facts] == sorted(ids)
    assert all(fact["submitted_at"] for fact in facts)


def test_secrets_leave_every_text_and_nothing_else():
    detail = {"task_name": "a word", "tenant_id": 7, "result_code": "word", "response_message": None}
    (row,) = normalize([seen(**detail)], redact=lambda text: text.replace("word", "***"))
    fact = dict(zip(COLUMNS, row, strict=True))
    assert {name: fact[name] for name in detail} == {
        "task_name": "a ***",
        "tenant_id": "7",
        "result_code": "***",
        "response_message": None,
    }
