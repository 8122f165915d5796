"""Charts as SVG, drawn by Vega-Lite without a browser or a network. No text from outside stands in them.

Colours are those of the page's style sheet, so that one drawing does for light, dark and paper.
"""

from collections.abc import Sequence
from typing import Any

import vl_convert

WIDTH = 360
"""Of a drawing, in pixels: that of a phone; on a desk it is shown a little larger."""

MAX_BAR_WIDTH = 40
"""In pixels, so that a single day is no wall."""

MAX_LABELS = 6
"""Of days below an axis."""

CONFIG: dict[str, Any] = {
    # The page says what a figure shows; a label for each bar would be most of its size.
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
    # d3 would tell 0.004 as 4m, and zero beside thousands as 0k.
    "labelExpr": "format(datum.value, datum.value < 1000 ? '~g' : '~s')",
    "tickCount": 4,
}
"""An axis of numbers."""

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
        mark={"type": "bar", "width": _bar(len(days))},
        encoding={
            "x": {"field": "day", "type": "ordinal", "title": None, "axis": _days_axis([row["day"] for row in days])},
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
                "mark": {"type": "text", "align": "left", "dx": 6, "color": "var(--ink)", "fontSize": 11},
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
        mark={"type": "bar", "color": "var(--accent)", "width": _bar(len(values))},
        encoding={
            "x": {
                "field": "started",
                "type": "ordinal",
                "title": None,
                "sort": None,
                "axis": _days_axis([row["started"] for row in values]),
            },
            "y": {"field": "value", "type": "quantitative", "title": None, "axis": NUMBERS},
            "opacity": {"condition": {"test": "datum.is_told", "value": 1}, "value": 0.35},
        },
    )


def _bar(bars: int) -> float:
    # About a tenth of the drawing is the axis, and a part of a bar's place is left empty.
    return min(MAX_BAR_WIDTH, 0.9 * WIDTH / bars * 0.85)


def _days_axis(moments: Sequence[str]) -> dict[str, Any]:
    # "2026-11-03 ..." is told as "11-03", and not more often than there is room for.
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
