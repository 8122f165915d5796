from hypothesis import given
from hypothesis import strategies as st

from etl.fetch.budget import FLOOR, SHARE, WINDOW_SECONDS, RetryBudget


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def spent(budget):
    """Take retries until there are no more."""
    retries = 0
    while budget.grants():
        retries += 1
    return retries


def test_a_few_retries_are_always_granted():
    assert spent(RetryBudget(clock=Clock())) == FLOOR


def test_a_tenth_of_the_requests():
    budget = RetryBudget(clock=Clock())
    for _ in range(5000):
        budget.note_request()
    assert spent(budget) == 500


def test_what_costs_double_is_refused_earlier():
    budget = RetryBudget(clock=Clock())
    assert sum(budget.grants(2) for _ in range(100)) == FLOOR // 2


def test_what_is_long_past_counts_no_more():
    clock = Clock()
    budget = RetryBudget(clock=clock)
    for _ in range(5000):
        budget.note_request()
    assert spent(budget) == 500
    clock.now += WINDOW_SECONDS - 1
    assert spent(budget) == 0
    clock.now += 2
    assert spent(budget) == FLOOR


@given(st.lists(st.tuples(st.floats(0, 40), st.integers(0, 50), st.integers(0, 20)), max_size=60))
def test_never_more_than_the_share_in_any_window(steps):
    clock = Clock()
    budget = RetryBudget(clock=clock)
    requests, retries = [], []
    for seconds, asked, wanted in steps:
        clock.now += seconds
        for _ in range(asked):
            budget.note_request()
        requests += [clock.now] * asked
        granted = sum(budget.grants() for _ in range(wanted))
        retries += [clock.now] * granted
        second = int(clock.now)
        of_window = [sum(int(moment) > second - WINDOW_SECONDS for moment in each) for each in (requests, retries)]
        assert not granted or of_window[1] <= max(FLOOR, SHARE * of_window[0])
