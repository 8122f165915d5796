"""The last words of the demo are to be copied: no bracket of a path or an extra gets lost."""

from dataclasses import dataclass
from pathlib import Path

from etl.cli import demo


@dataclass
class Parts:
    pending_file: Path = Path("[bold]/pending.sqlite")
    warehouse_file: Path = Path("[/]/warehouse.duckdb")


def test_brackets_of_paths_and_extras_are_printed(capsys):
    demo.say_what_is_next(Parts(), Path("[red]"), has_report=False)

    printed = capsys.readouterr().out
    assert "   pending table  [bold]/pending.sqlite\n   warehouse      [/]/warehouse.duckdb\n" in printed
    assert "needs the extra report: pip install 'koodrive-task-audit[report]'\n" in printed
    assert "cd '[red]'\n" in printed
