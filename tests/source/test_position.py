"""The position of a task is the same number in every engine and in Python."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Text, cast, literal, null, select

from etl.database.types import UtcDateTime
from etl.source.tables import as_instant, submitted_ms
from etl.tasks import is_valid_task_id, milliseconds, time_in_id

FIRST, LAST = datetime(2019, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 - hypothesis wants naive bounds

on_the_board = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])

instants = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


@st.composite
def written_instants(draw):
    """An instant as some program may have written it, and the instant."""
    instant = draw(instants)
    precision = draw(st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]))
    whole = {"minutes": 60_000_000, "seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}[precision]
    instant -= timedelta(microseconds=(instant.second * 1_000_000 + instant.microsecond) % whole)
    hours = draw(st.integers(-12, 14))
    local = instant.astimezone(timezone(timedelta(hours=hours)))
    if hours == 0 and draw(st.booleans()):
        local = local.replace(tzinfo=None)
    written = local.isoformat(sep=draw(st.sampled_from("T ")), timespec=precision)
    return written.replace("+00:00", draw(st.sampled_from(["Z", "+00:00", ""]))), instant


def ask(board, *columns):
    with board.engine.connect() as connection:
        return list(connection.execute(select(*columns)).one())


@on_the_board
@given(st.lists(instants, min_size=1, max_size=8))
def test_the_position_of_an_instant_is_its_milliseconds(board, times):
    columns = [submitted_ms(literal(each, UtcDateTime), literal("1")).label(f"c{n}") for n, each in enumerate(times)]

    assert ask(board, *columns) == [milliseconds(each) for each in times]


@on_the_board
@given(st.lists(written_instants(), min_size=1, max_size=8))
@example([("2026-11-01T00:00:00.9999999Z", datetime(2026, 11, 1, 0, 0, 1, tzinfo=UTC) - timedelta(microseconds=1))])
def test_the_position_does_not_depend_on_the_written_form(board, forms):
    if board.engine.dialect.name == "postgresql":
        # The engine rounds a seventh digit when it reads the text, so it has no such instant.
        forms = [(written, instant) for written, instant in forms if "9999999Z" not in written]
    columns = [
        submitted_ms(as_instant(literal(written, Text)), literal("1")).label(f"c{n}")
        for n, (written, _) in enumerate(forms)
    ]

    assert not columns or ask(board, *columns) == [milliseconds(instant) for _, instant in forms]


@on_the_board
@given(
    st.lists(st.integers(0, 10**20).map(str) | st.from_regex(r"[0-9]{1,21}|[ -~]{0,20}", fullmatch=True), max_size=8)
)
@example(
    [
        "0",
        "00000000000000000001",
        "9223372036854775807",
        "9223372036854775808",
        "9" * 19,
        "9" * 20,
        "",
        "\uff11\uff12",
        str((10**12 << 23) - 1),
    ]
)
def test_the_position_of_an_id_is_the_time_inside_it(board, task_ids):
    task_ids = [*task_ids, "1534087020903704704"]
    columns = [
        submitted_ms(cast(null(), UtcDateTime), cast(literal(each), Text)).label(f"c{n}")
        for n, each in enumerate(task_ids)
    ]

    assert ask(board, *columns) == [
        milliseconds(time_in_id(each)) if is_valid_task_id(each) else 0 for each in task_ids
    ]


@on_the_board
@given(instants)
def test_an_instant_comes_back_as_it_was_written(board, instant):
    board.clear()
    with board.engine.begin() as connection:
        row = {"task_id": "1", "submitted_at": instant, "state": "pending", "attempts": 0, "fence": 0}
        connection.execute(board.table.insert(), row)

    assert board.row("1")["submitted_at"] == instant


@pytest.mark.parametrize(
    "written",
    [
        "soon",
        "2026-02-30",
        "2026-13-01",
        "2026-11-01 24:00:01",
        "2026-11-01 07:60",
        "0001-01-01",
        "9999-12-31T23:59:59Z",
        "1730419200",
        "",
    ],
)
def test_the_table_refuses_a_time_that_python_cannot_read(board, written):
    with pytest.raises(Exception, match=r"submitted_at|date/time|timestamp"):
        board.add("1", submitted_at=written)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-01  07:22:33",
        "2026-11-01 24:00:00",
        "2026-11-01 07:22:33 UTC",
        "2026-11-01x",
        "2026-11-01T07",
        "now",
        "2460615.8",
    ],
)
def test_python_reads_every_time_that_the_engine_accepts(board, ids, written):
    """Check that Python reads a time that the table accepted, as the same instant."""
    try:
        board.add("1", submitted_at=written)
    except Exception:  # noqa: BLE001 - the table may refuse it
        assert board.rows() == {}
        return

    (task,) = board.queue().claim(1)

    with board.engine.connect() as connection:
        position = connection.scalar(select(submitted_ms(board.table.c.submitted_at, board.table.c.task_id)))
    assert milliseconds(task.submitted_at) == position
