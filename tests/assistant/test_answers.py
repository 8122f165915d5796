"""An answer is bounded whatever it holds."""

import pytest

from etl.assistant.answers import CUT_MARK, MAX_BYTES, MAX_TEXT_CHARACTERS, bounded, from_outside, table, to_json


def test_an_answer_says_that_there_are_more_rows():
    cut = table([{"n": number} for number in range(4)], max_rows=3)

    assert len(cut["rows"]) == 3
    assert cut["cut"] == "There are more than these 3 rows: narrow the question, or ask for more by max_rows."
    assert "cut" not in table([{"n": 1}], max_rows=3)


@pytest.mark.parametrize("text", ["x" * 499, "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 2_000, "\N{GRINNING FACE}" * 2_000])
def test_an_answer_of_long_texts_fits(text):
    answer = table([{"a": text, "b": text, "c": text} for _ in range(500)], max_rows=500)

    assert MAX_BYTES / 2 < len(to_json(answer).encode()) <= MAX_BYTES
    assert f"Only the first {len(answer['rows'])} of rows fit" in answer["cut"]


def test_the_longest_list_of_a_document_is_cut():
    answer = bounded({"states": ["x" * 100] * 5_000, "runs": [1, 2, 3]})

    assert len(to_json(answer).encode()) <= MAX_BYTES
    assert answer["runs"] == [1, 2, 3]


def test_a_text_from_outside_is_cut_and_shows_what_it_hides():
    assert from_outside("x" * (MAX_TEXT_CHARACTERS + 1)) == "x" * MAX_TEXT_CHARACTERS + CUT_MARK
    assert from_outside({"name": ["a\N{ZERO WIDTH SPACE}b\x1b"]}) == {"name": [r"a\u200bb\x1b"]}
