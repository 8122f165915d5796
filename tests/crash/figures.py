"""Prints what the soak has counted: a table of the deaths and of what they cost, for docs/guarantees.md."""

from collections import Counter

PROPERTY = "figures"
COUNTED = ("deaths", "tasks", "requests", "lost", "counted twice", "asked again")


def pytest_terminal_summary(terminalreporter):
    reports = [report for state in ("passed", "failed") for report in terminalreporter.getreports(state)]
    rows = {
        report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " "): figures
        for report in reports
        if "soak" in report.keywords and (figures := dict(report.user_properties).get(PROPERTY))
    }
    if rows:
        total = sum(map(Counter, rows.values()), Counter())
        for cells in (("of the soak", *COUNTED), ("---",) * (len(COUNTED) + 1)):
            terminalreporter.write_line(f"| {' | '.join(cells)} |")
        for name, figures in {**rows, "all": total}.items():
            cells = (f"{figures[counted]:,}" for counted in COUNTED)
            terminalreporter.write_line(f"| {name} | {' | '.join(cells)} |")
