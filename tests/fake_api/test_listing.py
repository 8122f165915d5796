import pytest

from etl.fake_api import Behaviour, Fault, Override, StatusWeights
from etl.fake_api.effects import EFFECTS, PAGES, strikes_pages
from etl.fake_api.listing import FIRST_CURSOR_MS, a_minute_apart, list_page
from etl.fake_api.world import World

TASK_IDS = tuple(str(1534087020903704704 + (number << 23)) for number in range(250))


def pages(world, known_task_ids, **query):
    page = list_page(world, known_task_ids, query=query)
    yield page
    while "nextCursor" in page:
        page = list_page(world, known_task_ids, query={**query, "pageCursor": [str(page["nextCursor"])]})
        yield page


def listed(world, known_task_ids, **query):
    return [task["taskId"] for page in pages(world, known_task_ids, **query) for task in page["taskListDtos"]]


def test_all_pages_together_list_every_task():
    assert [len(page["taskListDtos"]) for page in pages(World(), TASK_IDS)] == [100, 100, 50]
    assert listed(World(), TASK_IDS) == list(TASK_IDS)


@pytest.mark.parametrize(("page_size", "expected"), [("7", 7), ("100", 100), ("1000", 100), ("", 100)])
def test_the_page_size_is_at_most_one_hundred(page_size, expected):
    assert len(list_page(World(), TASK_IDS, query={"pageSize": [page_size]})["taskListDtos"]) == expected


@pytest.mark.parametrize("status", [["2", "3"], ["2,3"]])
def test_a_filter_leaves_short_pages_before_the_end(status):
    world = World()
    expected = [task_id for task_id in TASK_IDS if world.task(task_id).status in {2, 3}]
    assert listed(world, TASK_IDS, status=status) == expected
    assert len(list_page(world, TASK_IDS, query={"status": status})["taskListDtos"]) < 100


def test_pages_can_be_empty_before_the_end():
    world = World(weights=StatusWeights(success=1, failed=0, executing=0, new=0))
    world.overrides[TASK_IDS[-1]] = Override(status=0)
    assert [len(page["taskListDtos"]) for page in pages(world, TASK_IDS, status=["0"])] == [0, 0, 1]


def test_the_list_has_its_documented_quirks_over_http(responses_of):
    (first, last, wrong), _ = responses_of(
        Behaviour(task_ids=("1486254586942472064", "1486368980720435072")),
        "list?pageSize=1&pageCursor",
        f"list?pageSize=1&pageCursor={FIRST_CURSOR_MS + 1000}",
        "list?pageSize=one",
    )
    (record,) = first.json["taskListDtos"]
    assert list(record) == ["taskId", "taskName", "taskType", "status", "createTime"]
    assert (record["taskId"], record["createTime"]) == ("1486254586942472064", "2024-08-12T07:22:33.000Z")
    assert type(first.json["nextCursor"]) is int
    assert "nextCursor" not in last.json
    assert (wrong.status, wrong.json["code"]) == (400, 13000102)


SECOND_PAGE = f"list?pageSize=2&pageCursor={FIRST_CURSOR_MS + 2000}"


def shown(responses_of, fault):
    """Return the first and the last page of three tasks, two on a page."""
    behaviour = Behaviour(task_ids=a_minute_apart(3), faults=(Fault(name=fault, task_ids=frozenset({"list"})),))
    responses, api = responses_of(behaviour, "list?pageSize=2", SECOND_PAGE)
    assert api.stats.faults == {fault: 2}
    return [response.json for response in responses]


CURSORS = {
    "list_text_cursor": (str(FIRST_CURSOR_MS + 2000), "none"),
    "list_null_cursor": (FIRST_CURSOR_MS + 2000, None),
    "list_empty_cursor": (FIRST_CURSOR_MS + 2000, ""),
    "list_repeated_task": (FIRST_CURSOR_MS + 1000, "none"),
    "list_same_cursor": (FIRST_CURSOR_MS + 1000, FIRST_CURSOR_MS + 1000),
    "list_same_page": (FIRST_CURSOR_MS - 1000, FIRST_CURSOR_MS + 1000),
    "list_no_end": (FIRST_CURSOR_MS + 100_000, FIRST_CURSOR_MS + 102_000),
}


@pytest.mark.parametrize(("fault", "expected"), CURSORS.items(), ids=CURSORS)
def test_faults_change_the_cursors(responses_of, fault, expected):
    assert tuple(page.get("nextCursor", "none") for page in shown(responses_of, fault)) == expected


def test_faults_change_the_name_of_the_list(responses_of):
    first, _ = shown(responses_of, "list_documented_key")
    assert len(first["taskList"]) == 2
    assert "taskListDtos" not in first
    first, _ = shown(responses_of, "list_missing")
    assert set(first) == {"nextCursor", "code", "msg"}


@pytest.mark.parametrize("fault", ["list_times", "list_number_ids", "list_hostile_ids"])
def test_faults_change_the_listed_tasks(responses_of, fault):
    first, last = shown(responses_of, fault)
    changed = [
        task["createTime" if fault == "list_times" else "taskId"]
        for page in (first, last)
        for task in page["taskListDtos"]
    ]
    if fault == "list_number_ids":
        assert changed == list(map(int, a_minute_apart(3)))
    else:
        assert all("alert(1)" in text for text in changed)


def test_this_module_shows_every_fault_of_the_list():
    assert {*CURSORS, "list_documented_key", "list_missing", "list_times", "list_number_ids", "list_hostile_ids"} == {
        *PAGES
    }


def test_faults_of_the_list_strike_no_detail_and_faults_of_the_detail_no_list(responses_of):
    faults = (Fault(name="list_missing", rate=1), Fault(name="unknown_status", rate=1), Fault(name="http_503", rate=1))
    (detail, page), _ = responses_of(Behaviour(faults=faults[:2]), "17", "list")
    assert detail.json["status"] == 7
    assert "taskListDtos" not in page.json
    (page,), _ = responses_of(Behaviour(faults=faults[1:]), "list")
    assert page.status == 503
    assert not strikes_pages("unknown_status")
    assert sum(map(strikes_pages, EFFECTS)) > len(EFFECTS) / 2


def test_a_new_task_shifts_the_pages_while_a_client_reads_the_list(responses_of):
    world = World()
    ids = list(a_minute_apart(3))
    first = list_page(world, ids[1:], query={"pageSize": ["1"]})
    second = list_page(world, ids, query={"pageSize": ["1"], "pageCursor": [str(first["nextCursor"])]})
    assert first["taskListDtos"] == second["taskListDtos"]
