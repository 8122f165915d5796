"""The alert rules use metrics that a run reports, fire when they should, and link to the runbook."""

import re
import shutil
import subprocess

import pytest
import yaml

from etl.exit_codes import ExitCode
from etl.resources import resource
from tests.monitoring.promql import selectors

FILE = resource("configs", "alerts", "prometheus.yml")
RULES = [rule for group in yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
RUNBOOK = resource("docs", "runbook.md").read_text(encoding="utf-8")
DIED_BY_SIGNAL = (130, 143)

HOUR = 60 * 60
NIGHT = 24 * HOUR
STEP = 2 * HOUR
"""The seconds between two evaluations, each of which costs time: longer than any rule waits before it fires."""
NOW = 50 * HOUR
"""Seconds since 1970: the metrics of 26 hours ago belong to a step. Earlier nights may be negative."""


def sections():
    """Return the sections of the runbook by their anchors."""
    found = re.split(r"^### (.+)$", RUNBOOK, flags=re.MULTILINE)[1:]
    return {title.lower().replace(" ", "-"): text for title, text in zip(found[::2], found[1::2], strict=True)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_metrics_that_a_run_reports(rule, reported_metrics):
    asked = list(selectors(rule["expr"]))
    assert asked
    for metric, labels in asked:
        assert labels <= reported_metrics[metric] | {"instance", "job"}, metric


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_has_a_summary_and_links_to_the_runbook(rule):
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
    assert rule["alert"].lower() in sections()


def test_the_runbook_has_a_section_for_each_alert_and_exit_code_and_no_other():
    codes = {f"exit-code-{int(code)}" for code in (*ExitCode, *DIED_BY_SIGNAL)}
    assert set(sections()) == codes | {rule["alert"].lower() for rule in RULES}
    for anchor, text in sections().items():
        assert all(f"**{word}.**" in text for word in ("Symptom", "Check", "Remedy")), anchor
    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) <= set(sections())


def test_the_runbook_links_to_the_reasons_of_dead_letters():
    assert "(reference/failure-reasons.md)" in sections()["exit-code-65"]


def job(labels='configuration="night"', begins=0, ends=NOW, **values):
    """Return the series of a job that went well last night, changed by ``values``; None removes a metric."""
    seconds = {
        "last_run_timestamp_seconds": NOW - HOUR,
        "last_success_timestamp_seconds": NOW - HOUR,
        "last_complete_timestamp_seconds": NOW - HOUR,
        "oldest_pending_timestamp_seconds": NOW - NIGHT,
    }
    numbers = {"last_run_exit_code": 0, "last_run_requests": 1000, "last_run_throttled": 10}
    reported = {**seconds, **numbers, 'dead_letters{reason="not_found"}': 60, 'dead_letters{reason="forbidden"}': 30}
    before, during = begins // STEP, (ends - begins) // STEP
    return [
        {
            "series": f"task_audit_{name.rstrip('}')}{', ' if '{' in name else '{'}{labels}}}",
            "values": f"_x{before - 1} {value}x{during}" if before else f"{value}x{during}",
        }
        for name, value in (reported | values).items()
        if value is not None
    ]


TEXTFILE = 'configuration="night", instance="host", job="node"'
PUSHED = 'configuration="night", job="task-audit"'
NEVER = {"last_complete_timestamp_seconds": None, "last_success_timestamp_seconds": None}
OLD = {"last_complete_timestamp_seconds": NOW - 27 * HOUR, "last_success_timestamp_seconds": NOW - 27 * HOUR}

STATES = {
    "all is well": (job(), set()),
    "nothing is pending": (job(oldest_pending_timestamp_seconds=None), set()),
    "nothing ran last night": (job(**OLD), {"TaskAuditNotCompleted"}),
    "no run has ever gone through": (job(**NEVER), {"TaskAuditNotCompleted"}),
    "the first run ever failed": (job(begins=NOW - STEP, last_run_exit_code=69, **NEVER), set()),
    "every run leaves dead letters": (
        job(last_success_timestamp_seconds=NOW - 50 * HOUR, last_run_exit_code=65),
        {"TaskAuditNotSucceeded"},
    ),
    "no run has ever left no dead letters": (job(last_success_timestamp_seconds=None), {"TaskAuditNotSucceeded"}),
    "the first run ever left dead letters": (
        job(begins=NOW - STEP, last_run_exit_code=65, last_success_timestamp_seconds=None),
        set(),
    ),
    "a task waits": (job(oldest_pending_timestamp_seconds=NOW - 8 * NIGHT), {"TaskAuditBacklogOld"}),
    "a bug": (job(last_run_exit_code=70), {"TaskAuditBug"}),
    "credentials": (job(last_run_exit_code=77), {"TaskAuditCredentialsRefused"}),
    "configuration": (job(last_run_exit_code=78), {"TaskAuditConfigurationWrong"}),
    "dead letters": (job(**{'dead_letters{reason="forbidden"}': 41}), {"TaskAuditDeadLetters"}),
    "throttling": (job(last_run_throttled=201), {"TaskAuditThrottled"}),
    "throttling of a few": (job(last_run_throttled=50, last_run_requests=100), set()),
    "nothing was sent": (job(last_run_throttled=0, last_run_requests=0), set()),
    "no metric is reported": ([], {"TaskAuditMetricsAbsent"}),
    "metrics come by two ways": (
        [
            series
            for way in (TEXTFILE, PUSHED)
            for series in job(way, last_run_exit_code=77, last_run_throttled=900, **OLD)
            + job(f'{way}, shard="1"', **NEVER)
        ],
        {"TaskAuditNotCompleted", "TaskAuditCredentialsRefused", "TaskAuditThrottled", "TaskAuditNotCompleted 1"},
    ),
    "another configuration is well": (job() + job('configuration="other"'), set()),
    "another host of the queue ran last night": (job(TEXTFILE, **OLD) + job(TEXTFILE.replace("host", "new")), set()),
    "the job has moved": (job(ends=NOW - 2 * STEP) + job('configuration="moved"', begins=NOW - STEP), set()),
}


def firing(state, series, expected):
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in RULES}
    samples = []
    for name, _, shard in (each.partition(" ") for each in sorted(expected)):
        labels = {"alertname": name, "alertstate": "firing", "severity": severities[name]}
        # An absent metric has no label.
        labels |= {"configuration": "night"} if series else {}
        labels |= {"shard": shard} if shard else {}
        written = ", ".join(f'{label}="{value}"' for label, value in labels.items())
        samples.append({"labels": f"ALERTS{{{written}}}", "value": 1})
    query = {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{NOW}s", "exp_samples": samples}
    return {"name": state, "interval": f"{STEP}s", "input_series": series, "promql_expr_test": [query]}


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed; the rules were only parsed")
def test_the_rules_fire_when_they_should_and_only_then(tmp_path):
    tests = [firing(state, series, expected) for state, (series, expected) in STATES.items()]
    file = tmp_path / "tests.yml"
    file.write_text(
        yaml.dump({"rule_files": [str(FILE)], "evaluation_interval": f"{STEP}s", "tests": tests}), encoding="utf-8"
    )

    subprocess.run(["promtool", "check", "rules", FILE], check=True)
    tested = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)

    assert tested.returncode == 0, tested.stdout + tested.stderr
