import pytest

from etl.fake_api import Behaviour, Override, StatusWeights
from etl.fake_api.listing import FIRST_CURSOR_MS, list_page
from etl.fake_api.world import World

TASK_IDS = tuple(str(1534087020903704704 + (number << 23)) for number in range(250))


def pages(world, known_task_ids, **query):
    page = list_page(world, known_task_ids, query)
    yield page
    while "nextCursor" in page:
        page = list_page(world, known_task_ids, {**query, "pageCursor": [str(page["nextCursor"])]})
        yield page


def listed(world, known_task_ids, **query):
    return [task["taskId"] for page in pages(world, known_task_ids, **query) for task in page["taskListDtos"]]


def test_all_pages_together_are_all_tasks():
    assert [len(page["taskListDtos"]) for page in pages(World(), TASK_IDS)] == [100, 100, 50]
    assert listed(World(), TASK_IDS) == list(TASK_IDS)


@pytest.mark.parametrize(("page_size", "expected"), [("7", 7), ("100", 100), ("1000", 100), ("", 100)])
def test_page_size(page_size, expected):
    assert len(list_page(World(), TASK_IDS, {"pageSize": [page_size]})["taskListDtos"]) == expected


@pytest.mark.parametrize("status", [["2", "3"], ["2,3"]])
def test_filter_leaves_short_pages_before_the_end(status):
    world = World()
    expected = [task_id for task_id in TASK_IDS if world.task(task_id).status in {2, 3}]
    assert listed(world, TASK_IDS, status=status) == expected
    assert len(list_page(world, TASK_IDS, {"status": status})["taskListDtos"]) < 100


def test_empty_pages_before_the_end():
    world = World(weights=StatusWeights(success=1, failed=0, executing=0, new=0))
    world.overrides[TASK_IDS[-1]] = Override(status=0)
    assert [len(page["taskListDtos"]) for page in pages(world, TASK_IDS, status=["0"])] == [0, 0, 1]


def test_quirks_over_http(told):
    (first, last, wrong), _ = told(
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
