"""Each declared column is complete: it has an example, and the example is as documented."""

import json

import pytest

from etl.fake_api.world import World
from etl.koodrive.drift import read_answer
from etl.normalize import COLUMNS, normalize
from etl.tasks import Observation, PendingTask, instant_of
from etl.tasks.detail import API_FIELDS, TaskDetail
from tests.documents.pages import text_of

EXAMPLE = {field.api_name: field.example for field in API_FIELDS}


@pytest.mark.parametrize("field", API_FIELDS, ids=lambda field: field.name)
def test_every_field_has_a_documented_example(field):
    assert type(field.example) in field.json_types
    assert field.json_values is None or field.example in field.json_values
    assert f"`{json.dumps(field.example)}`" in text_of("docs/reference/dictionary.md")


def test_the_parser_reads_the_examples_without_a_difference():
    detail, drift = read_answer(json.dumps(EXAMPLE).encode())

    assert drift == ()
    assert [getattr(detail, field.name) for field in API_FIELDS] == list(EXAMPLE.values())


def test_a_fact_holds_every_example():
    task_id = str(EXAMPLE["taskId"])
    detail = TaskDetail(**{field.name: field.example for field in API_FIELDS})
    seen = Observation(task=PendingTask(task_id=task_id), detail=detail, observed_at=instant_of(0))
    row = dict(zip(COLUMNS, normalize([seen])[0], strict=True))

    assert [str(row[field.name]) for field in API_FIELDS] == [str(field.example) for field in API_FIELDS]


def test_the_stand_in_sends_every_field():
    sent = set(World().task("17").__struct_encode_fields__)

    assert sent == set(EXAMPLE)
