import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.fetch.breaker import MIN_RESPONSES_TO_JUDGE, WINDOW_RESPONSES, Breaker


def opened_at(responses):
    """Return the number of the first response that opens a breaker."""
    breaker = Breaker()
    return next((number for number, failed in enumerate(responses, 1) if breaker.record(failed=failed)), None)


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        ([True] * 100, MIN_RESPONSES_TO_JUDGE),
        ([False] * 1000, None),
        ([True, False] * 100, MIN_RESPONSES_TO_JUDGE + 1),
        ([True, False, False] * 100, None),
        ([False] * 1000 + [True] * 100, 1000 + WINDOW_RESPONSES // 2),
        # The last failure opens it, since a success leaves the window.
        ([False] + [True] * 7 + [False] * 15 + [True] * 8, 31),
    ],
)
def test_the_breaker_opens_when_half_of_the_recent_responses_failed(responses, expected):
    assert opened_at(responses) == expected


@given(st.lists(st.booleans(), max_size=200))
def test_the_breaker_agrees_with_a_count_of_the_recent_responses(responses):
    breaker = Breaker()
    for number, failed in enumerate(responses, 1):
        recent = responses[max(0, number - WINDOW_RESPONSES) : number]
        expected = failed and len(recent) >= MIN_RESPONSES_TO_JUDGE and sum(recent) >= len(recent) / 2
        assert breaker.record(failed=failed) is expected


def test_pauses_double_up_to_a_bound_until_a_success():
    breaker = Breaker()
    assert [breaker.next_pause_seconds() for _ in range(9)] == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    breaker.close()
    assert breaker.next_pause_seconds() == 5
