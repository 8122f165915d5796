"""Runs the demo and draws its output as SVG: ``python -m docs.generate.picture``."""

import io
import os
import subprocess  # nosec B404
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

COLUMNS = 100

COMMAND = "task-audit demo"

PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
"""The program is on the path, as in an environment that the user has activated."""

SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>task-audit demo</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's own template loads a font from a server; this one uses a font of the reader's machine."""


def picture(printed: str) -> str:
    """Draw the output of the demo."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(f"[dim]$[/] {COMMAND}", highlight=False)
    console.print(Text.from_ansi(printed))
    return console.export_svg(title=COMMAND, theme=MONOKAI, code_format=SVG, unique_id="demo")


def _run() -> str:
    """Run the demo in a temporary folder, with colours."""
    with tempfile.TemporaryDirectory() as folder:
        # The command line contains no input.
        return subprocess.run(  # nosec B603
            [sys.executable, "-m", "etl", "demo", "--log-format", "console"],
            cwd=folder,
            env=os.environ | {"PATH": PATH, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=True,
        ).stdout


if __name__ == "__main__":
    sys.stdout.write(picture(_run()))
