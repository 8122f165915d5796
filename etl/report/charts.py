"""Charts as SVG, drawn by Vega-Lite without a browser or a network. No text from outside stands in them.

Colours are those of the page's style sheet, so that one drawing does for light, dark and paper.
"""

from collections.abc import Sequence
from typing import Any

import vl_convert

WIDTH = 440
"""Of a drawing, in pixels: next to another on a desk, and still readable on a phone."""

MOST_LABELS = 8
"""Of days below an axis."""

CONFIG: dict[str, Any] = {
    # The page says what a figure shows; a label for each bar would be most of its size.
    "aria": False,
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "gridColor": "var(--line)",
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
    },
    "legend": {"labelColor": "var(--ink)", "labelFontSize": 12, "title": None, "orient": "top", "symbolType": "square"},
}

STATES = {"succeeded": "var(--good)", "failed": "var(--bad)", "still open": "var(--open)"}

Rows = Sequence[dict[str, Any]]


def outcomes_by_day(days: Rows) -> str:
    """Draw stacked bars: how the tasks of each day of submission fared."""
    values = [
        {"day": row["day"], "state": state, "tasks": row[state.replace(" ", "_")], "order": order}
        for row in days
        for order, state in enumerate(STATES)
    ]
    return _svg(
        values,
        height=200,
        mark="bar",
        encoding={
            "x": {"field": "day", "type": "ordinal", "title": None, "axis": _days_axis([row["day"] for row in days])},
            "y": {"field": "tasks", "type": "quantitative", "title": None, "axis": {"format": "~s", "tickCount": 4}},
            "color": {
                "field": "state",
                "type": "nominal",
                "scale": {"domain": list(STATES), "range": list(STATES.values())},
            },
            "order": {"field": "order"},
        },
    )


def backlog_by_age(ages: Sequence[tuple[str, int]]) -> str:
    """Draw bars: how many pending tasks are how old."""
    values = [{"age": age, "tasks": tasks, "label": f"{tasks:,}"} for age, tasks in ages]
    age = {"field": "age", "type": "ordinal", "title": None, "sort": None, "axis": {"minExtent": 90}}
    tasks = {"field": "tasks", "type": "quantitative", "axis": None}
    return _svg(
        values,
        height=110,
        layer=[
            {"mark": {"type": "bar", "color": "var(--open)", "cornerRadius": 2, "height": 20}},
            {
                "mark": {"type": "text", "align": "left", "dx": 6, "color": "var(--ink)", "fontSize": 12},
                "encoding": {"text": {"field": "label"}},
            },
        ],
        encoding={"y": age, "x": {**tasks, "scale": {"domainMax": max(1, *(number for _, number in ages)) * 1.2}}},
    )


def over_runs(values: Rows) -> str:
    """Draw a measure of the runs in their order, those of the period in full colour.

    Args:
        values: ``started`` (text), ``value``, and ``is_told``, whether the run is of the period.
    """
    return _svg(
        list(values),
        height=140,
        mark={"type": "bar", "color": "var(--accent)"},
        encoding={
            "x": {
                "field": "started",
                "type": "ordinal",
                "title": None,
                "sort": None,
                "axis": _days_axis([row["started"] for row in values]),
            },
            "y": {"field": "value", "type": "quantitative", "title": None, "axis": {"format": "~s", "tickCount": 4}},
            "opacity": {"condition": {"test": "datum.is_told", "value": 1}, "value": 0.35},
        },
    )


def _days_axis(moments: Sequence[str]) -> dict[str, Any]:
    # "2026-11-03 ..." is told as "11-03", and not more often than there is room for.
    every = -(-len(moments) // MOST_LABELS)
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
