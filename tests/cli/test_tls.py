"""`doctor` warns of a database on another machine whose certificate the job does not verify."""

import pytest

from etl.jobs.doctor.finding import State
from etl.jobs.doctor.tls import examine_tls
from etl.settings.load import load_configuration


@pytest.mark.parametrize(
    ("url", "variables", "state"),
    [
        ("postgresql://u:CANARY@db.example/d", {}, State.WARNING),
        ("postgresql://u@db.example/d?sslmode=require", {}, State.WARNING),
        ("postgresql://u@127.0.0.1,db.example/d", {}, State.WARNING),
        ("postgresql:///d", {"PGHOST": "db.example"}, State.WARNING),
        ("postgresql://u@db.example/d?sslmode=require", {"PGSSLMODE": "verify-full"}, State.WARNING),
        ("postgresql://u@db.example/d?sslmode=verify-full&sslrootcert=/etc/ca.pem", {}, State.OK),
        ("postgresql://u@db.example/d?sslrootcert=system", {}, State.OK),
        ("postgresql://u@db.example/d", {"PGSSLMODE": "verify-full"}, State.OK),
        ("postgresql://u@127.0.0.1/d", {}, None),
        ("postgresql://u@[::1]:5432/d", {}, None),
        ("postgresql:///d?host=/var/run/postgresql", {}, None),
        ("mysql://u:CANARY@db.example/d", {}, State.WARNING),
        ("mysql://u@db.example/d?ssl_ca=/etc/ca.pem", {}, State.OK),
        ("mysql://u@localhost/d", {}, None),
    ],
)
def test_a_server_on_another_machine_is_verified_or_named(configure, monkeypatch, url, variables, state):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    configure(source__url=url)
    findings = list(examine_tls(load_configuration()))
    assert [each.state for each in findings] == ([state] if state else [])
    assert "CANARY" not in str(findings)
    if state is State.WARNING:
        assert "source.url does not verify the certificate of" in findings[0].said
        assert "db.example" in findings[0].said


def test_the_remedy_of_a_warning_ends_it(configure):
    for scheme in ("postgresql", "mysql"):
        configure(source__url=f"{scheme}://u@db.example/d")
        (finding,) = examine_tls(load_configuration())
        argument = finding.remedy.partition("Add ")[2].partition(" to the URL")[0]
        configure(source__url=f"{scheme}://u@db.example/d?{argument}")
        (finding,) = examine_tls(load_configuration())
        assert finding.state is State.OK
