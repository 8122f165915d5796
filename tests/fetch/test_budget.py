from hypothesis import given
from hypothesis import strategies as st

from etl.fetch.budget import MAX_RETRY_SHARE, MIN_RETRIES, WINDOW_SECONDS, RetryBudget


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def spent(budget):
    """Spend retries until the budget is empty; returns how many."""
    retries = 0
    while budget.grants():
        retries += 1
    return retries


def test_a_few_retries_are_always_granted():
    assert spent(RetryBudget(clock=Clock())) == MIN_RETRIES


def test_retries_are_at_most_a_tenth_of_the_requests():
    budget = RetryBudget(clock=Clock())
    for _ in range(5000):
        budget.record_request()
    assert spent(budget) == 500


def test_a_retry_of_double_cost_uses_double_budget():
    budget = RetryBudget(clock=Clock())
    assert sum(budget.grants(2) for _ in range(100)) == MIN_RETRIES // 2


def test_old_requests_do_not_count():
    clock = Clock()
    budget = RetryBudget(clock=clock)
    for _ in range(5000):
        budget.record_request()
    assert spent(budget) == 500
    clock.now += 119
    assert spent(budget) == 0
    clock.now += 2
    assert spent(budget) == MIN_RETRIES
    for _ in range(1000):
        budget.record_request()
    assert spent(budget) == 100 - MIN_RETRIES


@given(st.lists(st.tuples(st.floats(0, 40), st.integers(0, 50), st.integers(0, 20)), max_size=60))
def test_retries_never_exceed_their_share_in_any_window(steps):
    clock = Clock()
    budget = RetryBudget(clock=clock)
    requests, retries = [], []
    for seconds, sent, wanted in steps:
        clock.now += seconds
        for _ in range(sent):
            budget.record_request()
        requests += [clock.now] * sent
        granted = sum(budget.grants() for _ in range(wanted))
        retries += [clock.now] * granted
        second = int(clock.now)
        of_window = [sum(int(moment) > second - WINDOW_SECONDS for moment in each) for each in (requests, retries)]
        assert not granted or of_window[1] <= max(MIN_RETRIES, MAX_RETRY_SHARE * of_window[0])
