import pytest

from etl.fake_api.effects import EFFECTS
from etl.fake_api.faults import Fault, parse_fault, striking_fault

MANY_IDS = [str(1534087020903704704 + number) for number in range(4000)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stall:0.25", Fault(name="stall", rate=0.25)),
        ("stall:1", Fault(name="stall", rate=1.0)),
        ("stall:0", Fault(name="stall", rate=0.0)),
        ("http_503:0.1x2", Fault(name="http_503", rate=0.1, first_asks=2)),
        ("http_503:listx1", Fault(name="http_503", task_ids=frozenset({"list"}), first_asks=1)),
        ("http_404:17", Fault(name="http_404", task_ids=frozenset({"17"}))),
        ("http_404:17,18", Fault(name="http_404", task_ids=frozenset({"17", "18"}))),
        ("http_404:1,", Fault(name="http_404", task_ids=frozenset({"1"}))),
        ("reset:17,18x1", Fault(name="reset", task_ids=frozenset({"17", "18"}), first_asks=1)),
    ],
)
def test_parse_fault_reads_every_form(text, expected):
    assert parse_fault(text, known_names=EFFECTS) == expected


@pytest.mark.parametrize(
    "text", ["stall", "stall:", "stall:1.5", "stall:-1", "stall:a", "stall:1x", "stall:17,,18", "stall:" + "1" * 20]
)
def test_parse_fault_rejects_wrong_syntax(text):
    with pytest.raises(ValueError, match="stall"):
        parse_fault(text, known_names=EFFECTS)


def test_parse_fault_lists_the_known_names():
    with pytest.raises(ValueError, match=r"no fault 'gremlins'.*cut_body.*http_503"):
        parse_fault("gremlins:1", known_names=EFFECTS)


def test_a_rate_strikes_each_request_independently():
    fault = Fault(name="http_503", rate=0.3)
    struck = [{ask for ask in (1, 2) if fault.strikes(task_id, ask, seed=1)} for task_id in MANY_IDS]
    assert sum(1 in asks for asks in struck) / len(MANY_IDS) == pytest.approx(0.3, abs=0.03)
    assert sum(asks == {1, 2} for asks in struck) / len(MANY_IDS) == pytest.approx(0.09, abs=0.02)


def test_a_rate_with_first_requests_strikes_the_same_tasks_each_time():
    fault = Fault(name="http_503", rate=0.3, first_asks=2)
    struck = [tuple(fault.strikes(task_id, ask, seed=1) for ask in (1, 2, 3)) for task_id in MANY_IDS]
    assert set(struck) == {(True, True, False), (False, False, False)}
    assert struck.count((True, True, False)) / len(MANY_IDS) == pytest.approx(0.3, abs=0.03)


def test_the_seed_and_the_name_decide_which_tasks_are_struck():
    def struck(name, seed):
        return {task_id for task_id in MANY_IDS if Fault(name=name, rate=0.5).strikes(task_id, 1, seed=seed)}

    assert struck("reset", 1) == struck("reset", 1)
    assert struck("reset", 1) != struck("reset", 2)
    assert struck("reset", 1) != struck("stall", 1)


def test_a_fault_by_id_strikes_no_other_task():
    fault = Fault(name="reset", task_ids=frozenset({"17"}), first_asks=1)
    assert fault.strikes("17", 1, seed=0)
    assert not fault.strikes("17", 2, seed=0)
    assert not fault.strikes("18", 1, seed=0)


def test_the_first_fault_in_order_is_shown():
    faults = (Fault(name="reset", task_ids=frozenset({"17"})), Fault(name="stall", rate=1))
    assert [striking_fault(faults, task_id, ask=1, seed=0).name for task_id in ("17", "18")] == ["reset", "stall"]
    assert striking_fault((), "17", ask=1, seed=0) is None
