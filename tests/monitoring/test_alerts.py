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

NIGHT = 24 * 60 * 60
STEP = 4 * 60 * 60
"""The seconds between two evaluations, each of which costs time: longer than any rule waits before it fires."""
NOW = 2 * NIGHT
"""Seconds since 1970. Earlier nights may be negative."""


def sections():
    """Return the sections of the runbook by their anchors."""
    found = re.split(r"^### (.+)$", RUNBOOK, flags=re.MULTILINE)[1:]
    return {title.lower().replace(" ", "-"): text for title, text in zip(found[::2], found[1::2], strict=True)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_metrics_that_a_run_reports(rule, reported_metrics):
    for metric, labels in selectors(rule["expr"]):
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


def metrics(**values):
    """Return the metrics of a job that went well last night, changed by ``values``; None removes a metric."""
    seconds = {
        "last_run_timestamp_seconds": NOW - 3600,
        "last_success_timestamp_seconds": NOW - 3600,
        "last_complete_timestamp_seconds": NOW - 3600,
        "oldest_pending_timestamp_seconds": NOW - NIGHT,
    }
    numbers = {"last_run_exit_code": 0, "last_run_requests": 1000, "last_run_throttled": 10}
    reported = {**seconds, **numbers, 'dead_letters{reason="not_found"}': 60, 'dead_letters{reason="forbidden"}': 30}
    return {name: value for name, value in (reported | values).items() if value is not None}


STATES = {
    "all is well": (metrics(), set()),
    "nothing is pending": (metrics(oldest_pending_timestamp_seconds=None), set()),
    "nothing ran last night": (
        metrics(last_complete_timestamp_seconds=NOW - 27 * 3600, last_success_timestamp_seconds=NOW - 27 * 3600),
        {"TaskAuditNotCompleted"},
    ),
    "no run has ever gone through": (
        metrics(last_complete_timestamp_seconds=None, last_success_timestamp_seconds=None),
        {"TaskAuditNotCompleted"},
    ),
    "every run leaves dead letters": (
        metrics(last_success_timestamp_seconds=NOW - 50 * 3600, last_run_exit_code=65),
        {"TaskAuditNotSucceeded"},
    ),
    "no run has ever left no dead letters": (metrics(last_success_timestamp_seconds=None), {"TaskAuditNotSucceeded"}),
    "a task waits": (metrics(oldest_pending_timestamp_seconds=NOW - 8 * NIGHT), {"TaskAuditBacklogOld"}),
    "a bug": (metrics(last_run_exit_code=70), {"TaskAuditBug"}),
    "credentials": (metrics(last_run_exit_code=77), {"TaskAuditCredentialsRefused"}),
    "configuration": (metrics(last_run_exit_code=78), {"TaskAuditConfigurationWrong"}),
    "dead letters": (metrics(**{'dead_letters{reason="forbidden"}': 41}), {"TaskAuditDeadLetters"}),
    "throttling": (metrics(last_run_throttled=201), {"TaskAuditThrottled"}),
    "throttling of a few": (metrics(last_run_throttled=50, last_run_requests=100), set()),
    "nothing was sent": (metrics(last_run_throttled=0, last_run_requests=0), set()),
    "no metric is reported": ({}, {"TaskAuditMetricsAbsent"}),
}


def firing(state, values, expected):
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in RULES}
    # An absent metric has no instance.
    instance = ', instance="host"' if values else ""
    samples = [
        {
            "labels": f'ALERTS{{alertname="{name}", alertstate="firing", severity="{severities[name]}"{instance}}}',
            "value": 1,
        }
        for name in sorted(expected)
    ]
    series = [
        {
            "series": f'task_audit_{name.rstrip("}")}{", " if "{" in name else "{"}instance="host"}}',
            "values": f"{value}x{NOW // STEP}",
        }
        for name, value in values.items()
    ]
    query = {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{NOW}s", "exp_samples": samples}
    return {"name": state, "interval": f"{STEP}s", "input_series": series, "promql_expr_test": [query]}


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed; the rules were only parsed")
def test_the_rules_fire_when_they_should_and_only_then(tmp_path):
    tests = [firing(state, values, expected) for state, (values, expected) in STATES.items()]
    file = tmp_path / "tests.yml"
    file.write_text(
        yaml.dump({"rule_files": [str(FILE)], "evaluation_interval": f"{STEP}s", "tests": tests}), encoding="utf-8"
    )

    subprocess.run(["promtool", "check", "rules", FILE], check=True)
    tested = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)

    assert tested.returncode == 0, tested.stdout + tested.stderr
