from collections import Counter

import pytest

from etl.fake_api import Override, StatusWeights
from etl.fake_api.world import TASK_TYPES, TENANT_IDS, World, pick

TASK_ID = "1534087020903704704"

MANY_IDS = [str(1534087020903704704 + (number << 23)) for number in range(20_000)]


def shares(values):
    counts = Counter(values)
    return {value: count / counts.total() for value, count in counts.items()}


def test_a_task_depends_only_on_the_seed_and_its_id():
    assert World(seed=7).task(TASK_ID) == World(seed=7).task(TASK_ID, ask=9)
    assert [World(seed=7).task(i) for i in MANY_IDS[:50]] != [World(seed=8).task(i) for i in MANY_IDS[:50]]


def test_the_default_weights_give_the_default_distribution():
    tasks = [World().task(task_id) for task_id in MANY_IDS]
    assert shares(task.status for task in tasks) == pytest.approx({2: 0.80, 3: 0.12, 1: 0.05, 0: 0.03}, abs=0.01)
    assert shares(task.task_type for task in tasks) == pytest.approx(dict(TASK_TYPES), abs=0.01)
    assert {task.tenant_id for task in tasks} == set(TENANT_IDS)
    codes = Counter(task.result_code for task in tasks if task.status == 3)
    assert codes.most_common(1)[0][0] == "18000205"
    assert len(codes) == 6


def test_only_failed_tasks_have_a_result_code():
    assert all((type(task.result_code) is str) == (task.status == 3) for task in map(World().task, MANY_IDS[:1000]))


def test_weights_decide_the_statuses():
    world = World(weights=StatusWeights(success=0, failed=0, executing=0, new=1))
    assert {world.task(task_id).status for task_id in MANY_IDS[:200]} == {0}


def test_progress_goes_one_way_and_ends():
    world = World(progress=True, weights=StatusWeights(success=1, failed=1, executing=0, new=0.0001))
    new_only = World(progress=True, weights=StatusWeights(success=0, failed=0, executing=0, new=1))
    assert [new_only.task(TASK_ID, ask).status for ask in range(1, 6)] == [0, 1, 2, 2, 2]
    for task_id in MANY_IDS[:200]:
        statuses = [world.task(task_id, ask).status for ask in range(1, 5)]
        assert len(set(statuses)) == 1, "a finished task stays as it is"


def test_progress_ends_in_the_proportion_of_the_weights():
    world = World(progress=True, weights=StatusWeights(success=3, failed=1, executing=4, new=0))
    ended = [world.task(task_id, ask=2).status for task_id in MANY_IDS[:4000]]
    assert shares(ended) == pytest.approx({2: 0.75, 3: 0.25}, abs=0.03)


def test_an_override_changes_only_its_own_fields():
    world = World()
    before = world.task(TASK_ID)
    world.overrides[TASK_ID] = Override(status=3, result_code="18000205")
    after = world.task(TASK_ID)
    assert (after.status, after.result_code) == (3, "18000205")
    assert (after.task_name, after.tenant_id, after.user_id) == (before.task_name, before.tenant_id, before.user_id)


def test_an_overridden_status_gets_a_matching_result_code():
    world = World()
    world.overrides[TASK_ID] = Override(status=3)
    assert world.task(TASK_ID).result_code.startswith("18")
    world.overrides[TASK_ID] = Override(status=2)
    assert not isinstance(world.task(TASK_ID).result_code, str)


@pytest.mark.parametrize(("fraction", "expected"), [(0.0, "a"), (0.24, "a"), (0.25, "c"), (0.999, "c")])
def test_pick_returns_the_option_at_a_fraction(fraction, expected):
    assert pick([("a", 1), ("b", 0), ("c", 3)], fraction) == expected
