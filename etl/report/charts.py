"""Draws charts as SVG with Vega-Lite, without a browser or a network. The charts hold no text from outside.

The colours are variables of the page's style sheet, so one chart fits the light page, the dark page and paper.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import vl_convert

from etl.report.bar import Bar
from etl.warehouse.read.period import DayOutcomes

WIDTH = 360
"""The pixels of a chart's width: a phone shows it in full, and a desktop enlarges it a little."""

MAX_BAR_WIDTH = 40
"""The pixels of a bar's width; the only bar of a chart would otherwise fill it."""

MAX_LABELS = 6
"""The labels below an axis; more would overlap."""

CONFIG: dict[str, Any] = {
    # The page describes each figure; a label for every bar would make up most of the file.
    "aria": False,
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "labelFontSize": 11,
        "gridColor": "var(--line)",
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
    },
    "legend": {"labelColor": "var(--ink)", "labelFontSize": 11, "title": None, "orient": "top", "symbolType": "square"},
}

STATES = {"succeeded": "var(--good)", "failed": "var(--bad)", "still open": "var(--open)"}

NUMBERS: dict[str, Any] = {
    # By default d3 writes 0.004 as 4m, and a zero beside thousands as 0k.
    "labelExpr": "format(datum.value, datum.value < 1000 ? '~g' : '~s')",
    "tickCount": 4,
}
"""The form of an axis of numbers."""


def outcomes_by_day(days: Sequence[DayOutcomes]) -> str:
    """Draw the outcomes of each day's tasks as stacked bars."""
    values = [
        {"day": row.day, "state": state, "tasks": getattr(row, state.replace(" ", "_")), "order": order}
        for row in days
        for order, state in enumerate(STATES)
    ]
    return _svg(
        values,
        height=200,
        mark={"type": "bar", "width": _width(len(days))},
        encoding={
            "x": {"field": "day", "type": "ordinal", "title": None, "axis": _days_axis([row.day for row in days])},
            "y": {"field": "tasks", "type": "quantitative", "title": None, "axis": NUMBERS},
            "color": {
                "field": "state",
                "type": "nominal",
                "scale": {"domain": list(STATES), "range": list(STATES.values())},
            },
            "order": {"field": "order"},
        },
    )


def backlog_by_age(ages: Sequence[tuple[str, int]]) -> str:
    """Draw the number of pending tasks of each age as bars."""
    values = [{"age": age, "tasks": tasks, "label": f"{tasks:,}"} for age, tasks in ages]
    age = {"field": "age", "type": "ordinal", "title": None, "sort": None, "axis": {"minExtent": 90}}
    tasks = {"field": "tasks", "type": "quantitative", "axis": None}
    return _svg(
        values,
        height=110,
        layer=[
            {"mark": {"type": "bar", "color": "var(--open)", "cornerRadius": 2, "height": 20}},
            {
                "mark": {"type": "text", "align": "left", "dx": 6, "color": "var(--ink)", "fontSize": 11},
                "encoding": {"text": {"field": "label"}},
            },
        ],
        encoding={"y": age, "x": {**tasks, "scale": {"domainMax": max(1, *(number for _, number in ages)) * 1.2}}},
    )


def bars_of_runs(bars: Sequence[Bar]) -> str:
    """Draw a measure of each run as bars; reported runs have the full colour."""
    return _svg(
        [asdict(bar) for bar in bars],
        height=140,
        mark={"type": "bar", "color": "var(--accent)", "width": _width(len(bars))},
        encoding={
            "x": {
                "field": "started",
                "type": "ordinal",
                "title": None,
                "sort": None,
                "axis": _days_axis([bar.started for bar in bars]),
            },
            "y": {"field": "value", "type": "quantitative", "title": None, "axis": NUMBERS},
            "opacity": {"condition": {"test": "datum.is_reported", "value": 1}, "value": 0.35},
        },
    )


def _width(bars: int) -> float:
    # The axis takes about a tenth of the chart, and bars have gaps between them.
    return min(MAX_BAR_WIDTH, 0.9 * WIDTH / bars * 0.85)


def _days_axis(moments: Sequence[str]) -> dict[str, Any]:
    # The label of "2026-11-03 ..." is "11-03".
    every = -(-len(moments) // MAX_LABELS)
    return {"labelAngle": 0, "labelExpr": "slice(datum.value, 5, 10)", "values": moments[::every], "grid": False}


def _svg(values: list[dict[str, Any]], *, height: int, **parts: Any) -> str:
    specification = {
        "width": WIDTH,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": values},
        "config": CONFIG,
        **parts,
    }
    return str(vl_convert.vegalite_to_svg(specification))
