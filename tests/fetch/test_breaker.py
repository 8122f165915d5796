import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.fetch.breaker import MIN_ANSWERS_TO_JUDGE, RECENT, Breaker


def opened_at(answers):
    """The number of the first answer that opens a breaker."""
    breaker = Breaker()
    return next((number for number, failed in enumerate(answers, 1) if breaker.note(failed=failed)), None)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([True] * 100, MIN_ANSWERS_TO_JUDGE),
        ([False] * 1000, None),
        ([True, False] * 100, MIN_ANSWERS_TO_JUDGE + 1),
        ([True, False, False] * 100, None),
        ([False] * 1000 + [True] * 100, 1000 + RECENT // 2),
    ],
)
def test_it_opens_when_half_of_the_recent_answers_failed(answers, expected):
    assert opened_at(answers) == expected


@given(st.lists(st.booleans(), max_size=200))
def test_it_agrees_with_a_count_of_the_recent_answers(answers):
    breaker = Breaker()
    for number, failed in enumerate(answers, 1):
        recent = answers[max(0, number - RECENT) : number]
        expected = failed and len(recent) >= MIN_ANSWERS_TO_JUDGE and sum(recent) >= len(recent) / 2
        assert breaker.note(failed=failed) is expected


def test_pauses_double_up_to_a_bound_and_start_anew_after_a_success():
    breaker = Breaker()
    assert [breaker.next_pause_seconds() for _ in range(9)] == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    breaker.close()
    assert breaker.next_pause_seconds() == 5
