"""An API that repeats the secrets that it receives: they are found only where the test put them."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tests.canary import FORMS, NEEDLES, secret, sightings
from tests.repeating_api import FAILING, HONEST, REPEATING_TASKS, THROTTLED
from tests.secrecy.installation import TOKEN

INSERT = """
INSERT INTO dim_result_code BY NAME
SELECT ? AS result_code, ? AS title, FALSE AS is_documented, now() AS first_seen_at
"""

COMMANDS = (
    ("config", "show"),
    ("config", "show", "--json"),
    ("doctor",),
    ("doctor", "--json"),
    ("plan",),
    ("status",),
    ("status", "--json"),
    ("dead-letters", "list"),
    ("dead-letters", "list", "--json"),
    ("dead-letters", "show", min(REPEATING_TASKS)),
    ("query", "open_dead_letters"),
    ("query", "drift", "--format", "csv"),
    ("query", "what_changed", "--format", "json"),
    ("query", "task_story", "--param", f"task_id={min(REPEATING_TASKS)}"),
    ("labels", "export"),
    ("report", "--out", "report.html"),
    ("notify",),
    ("notify", "--test"),
)
"""The commands that show what a night has left."""


def test_the_search_would_find_every_form_in_every_place(installed):
    hidden = f"Bearer {secret('token')} and more"
    for form, write in FORMS.items():
        assert any(f": {form} in" in sighting for sighting in sightings({"a log": f"x {write(hidden)} y"})), form
        with duckdb.connect("warehouse.duckdb") as warehouse:
            warehouse.execute(INSERT, [form, write(hidden)])
        with closing(sqlite3.connect("pending.sqlite")) as queue, queue:
            queue.execute("INSERT INTO pending_task (task_id, last_error) VALUES (?, ?)", [form, write(hidden)])
    everything = "\n".join(write(hidden) for write in FORMS.values())
    Path("archive").mkdir()
    pl.DataFrame({"body": [everything.encode()] * 2}).write_parquet("archive/x.parquet", compression="zstd")
    Path("report.html").write_text(everything, encoding="utf-8")

    found = sightings(installed.places() | {"stderr": everything})

    for place in (
        "stderr",
        "archive/x.parquet: body",
        "report.html",
        "dim_result_code.title",
        "pending_task.last_error",
    ):
        forms = {line.partition(" in ...")[0].rpartition(": ")[2] for line in found if f"{place}: " in line}
        assert forms == {form for form, _ in NEEDLES}, place


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_api_that_repeats_the_token_everywhere(installed, api, log_format):
    Path("ids.txt").write_text("\n".join([HONEST, *REPEATING_TASKS, FAILING, THROTTLED]), encoding="utf-8")
    assert installed.run("enqueue", "--file", "ids.txt").exit_code == 0

    result = installed.run("run", "-v", "--json", "--log-format", log_format)

    assert '"audited":' in result.stdout
    if log_format == "json":
        for command in COMMANDS:
            installed.run(*command)
        assert Path("report.html").exists()
        assert installed.run("run", "--refetch", "--json").exit_code in {0, 65, 75}
        assert installed.run("dead-letters", "retry", "--reason", "rejected").exit_code == 0
        assert installed.run("replay").exit_code == 0
    assert {path.split("/")[1] for path, _ in api.posts} == {"push", "otlp", "lineage", "hook"}
    received = {value for _, headers in api.received for value in headers.values()}
    assert {TOKEN, f"Bearer {secret('lineage')}", f"Bearer {secret('otlp')}"} <= received
    posted = b"\n".join(body for _, body in api.posts)
    assert sightings(installed.places() | {"what other programs received": posted}) == []


def test_facts_and_archive_agree_on_what_they_hold_in_its_place(installed, configure):
    Path("ids.txt").write_text("\n".join([HONEST, *REPEATING_TASKS]), encoding="utf-8")
    installed.run("enqueue", "--file", "ids.txt")
    installed.run("run")
    facts = "SELECT * EXCLUDE (run_id) FROM fact_task_status ORDER BY task_id"
    with duckdb.connect("warehouse.duckdb") as warehouse:
        live = warehouse.execute(facts).fetchall()
    configure(warehouse__url="duckdb:///again.duckdb")
    assert installed.run("init").exit_code == 0
    assert installed.run("replay").exit_code == 0
    with duckdb.connect("again.duckdb") as warehouse:
        assert warehouse.execute(facts).fetchall() == live

    names = {row[1] for row in live}
    assert "of ********" in names
    assert len(live) > len(REPEATING_TASKS) / 3


REFUSALS = {
    "401": ((401, "APIGW.0301"), 77),
    "no rights": ((403, "APIGW.0304"), 77),
    "wrong place": ((404, "APIGW.0101"), 78),
    "no quota": ((403, "APIGW.0501"), 69),
    "a portal": ((511, "x"), 69),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_an_api_that_refuses_and_repeats_the_token(installed, api, name):
    refusal, code = REFUSALS[name]
    Path("ids.txt").write_text(HONEST, encoding="utf-8")
    installed.run("enqueue", "--file", "ids.txt")
    api.refusal = refusal

    assert installed.run("run", "-v", "--json").exit_code == code
    assert installed.run("doctor").exit_code == code

    posted = b"\n".join(body for _, body in api.posts)
    assert sightings(installed.places() | {"what other programs received": posted}) == []


def test_an_app_whose_secret_and_signature_are_repeated(installed, api, configure, monkeypatch):
    configure(api__auth="app", api__app_id="a378331e")
    for name in ("TOKEN", "SESSION_ID"):
        monkeypatch.delenv(f"TASK_AUDIT_API__{name}")
    Path("ids.txt").write_text(HONEST, encoding="utf-8")
    installed.run("enqueue", "--file", "ids.txt")
    api.refusal = (401, "APIGW.0303")

    assert installed.run("run", "-v").exit_code == 77

    signatures = {
        signature
        for _, headers in api.received
        for signature in re.findall(r"Signature=([0-9a-f]+)", headers.get("Authorization", ""))
    }
    places = installed.places()
    assert signatures
    assert not [place for place, said in places.items() for each in signatures if each in str(said)]
    assert sightings(places) == []
