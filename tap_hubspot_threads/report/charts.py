"""The chart of each metric, as a specification for Vega-Lite."""

from __future__ import annotations

import typing as t

from tap_hubspot_threads.report import formats, parts
from tap_hubspot_threads.report.parts import DAY, HOUR, MINUTE
from tap_hubspot_threads.report.svg import CARD, FIRST, RULE, SECOND, WIDTH, render

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tap_hubspot_threads.report.metrics import Result
    from tap_hubspot_threads.report.parts import Values
    from tap_hubspot_threads.report.svg import Spec

MARGIN = 100
"""For labels to the right of the last point."""

MOST_AGENTS = 30
AGES = {
    "under 1 hour": HOUR,
    "1 to 4 hours": 4 * HOUR,
    "4 to 24 hours": DAY,
    "1 to 7 days": 7 * DAY,
    "7 to 30 days": 30 * DAY,
    "over 30 days": float("inf"),
}
"""The groups of waits, with the minutes that each one ends before."""


def draw(result: Result) -> str:
    """Return the chart of a metric as SVG."""
    label = f"{result.metric.title}: chart. The table has its numbers."
    return render(CHARTS[result.metric.name](result), label)


def _waits(column: str, unit: str, factor: int) -> Callable[[Result], Spec]:
    """Return a chart of two points a row: the median and the 90th percentile."""

    def chart(result: Result) -> Spec:
        names, y = parts.names(result.rows, column)
        values: Values = []
        drawn: list[float] = []
        for name, row in zip(names, result.rows, strict=True):
            if row[f"median_{unit}"] is None:
                values.append({"name": name, "none": "no answer yet"})
                continue
            waits = [row[f"{point}_{unit}"] * factor for point in ("median", "p90")]
            median, p90 = map(formats.duration, waits)
            a, b = (max(wait, MINUTE) for wait in waits)
            drawn += (a, b)
            tip = f"{row[column]}: median {median}, 90% within {p90}"
            texts = {"median": median, "p90": p90, "tip": tip}
            values.append({"name": name, "a": a, "b": b} | texts)
        x = parts.minutes("a", drawn)
        offset = 22  # for a label above a point at the left end
        y["axis"]["offset"] = offset
        line = {"type": "rule", "color": RULE, "strokeWidth": 4, "aria": False}
        return {
            "data": {"values": values},
            "width": WIDTH - MARGIN - offset - y["axis"]["minExtent"],
            "height": parts.step(names, 44),
            "encoding": {"y": y},
            "layer": [
                {"mark": line, "encoding": {"x": x, "x2": {"field": "b"}}},
                *_points("median", x, FIRST, {"align": "center", "dx": 0, "dy": -14}),
                *_points("p90", x | {"field": "b"}, SECOND, {"dx": 12}),
                parts.remark("none"),
            ],
        }

    return chart


def _points(text: str, x: Spec, color: str, place: Spec) -> list[Spec]:
    point = {"type": "point", "filled": True, "size": 130, "color": color, "opacity": 1}
    label = parts.label(text, color=color, fontWeight="bold", **place)
    label["encoding"]["x"] = x
    return [{"mark": point, "encoding": parts.described(x=x)}, label]


def _shares(part: str, whole: str, fraction: str) -> Callable[[Result], Spec]:
    """Return a chart of one bar a row."""

    def chart(result: Result) -> Spec:
        names, y = parts.names(result.rows, "inbox")
        values: Values = []
        for name, row in zip(names, result.rows, strict=True):
            of = f"{formats.count(row[part])} of {formats.count(row[whole])}"
            text = f"{formats.share(row[fraction])}, {of}"
            tip = f"{row['inbox']}: {text}"
            values.append({"name": name, "x": row[fraction], "text": text, "tip": tip})
        most = max(row[fraction] for row in result.rows) or 1.0
        x = {
            "field": "x",
            "type": "quantitative",
            "scale": {"domain": [0, most], "nice": False},
            "axis": {"format": ".1~%", "tickCount": 6},
        }
        return {
            "data": {"values": values},
            "width": WIDTH - MARGIN - 50 - y["axis"]["minExtent"],
            "height": parts.step(names, 34),
            "encoding": {"y": y, "x": x},
            "layer": [parts.bar(FIRST), parts.label("text")],
        }

    return chart


def _weeks(result: Result) -> Spec:
    """Return the median and the 90th percentile as lines."""
    series = {"median_minutes": "median", "p90_minutes": "90% within"}
    values: Values = [
        {
            "week": row["week"].isoformat(),
            "y": max(row[column], MINUTE),
            "series": name,
            "tip": f"Week of {row['week']}: {name} {formats.duration(row[column])}",
        }
        for row in result.rows
        if row["median_minutes"] is not None
        for column, name in series.items()
    ]
    y = parts.minutes("y", [value["y"] for value in values], **parts.SIDE)
    scale = {"domain": list(series.values()), "range": [FIRST, SECOND]}
    color = {"field": "series", "type": "nominal", "scale": scale, "legend": None}
    point = {"type": "point", "filled": True, "size": 28, "opacity": 1}
    last = {"data": {"values": values[-len(series) :]}}
    return {
        "data": {"values": values},
        "width": WIDTH - MARGIN - 60,
        "height": 260,
        "encoding": {"x": parts.dates("week"), "y": y, "color": color},
        "layer": [
            parts.line(),
            {"mark": point, "encoding": parts.described()},
            parts.label("series", fontWeight="bold") | last,
        ],
    }


def _days(result: Result) -> Spec:
    values: Values = [
        {
            "day": row["day"].isoformat(),
            "y": row["open_threads"],
            "tip": f"{row['day']}: {formats.count(row['open_threads'])} open",
        }
        for row in result.rows
    ]
    area = {"type": "area", "color": FIRST, "opacity": 0.2, "aria": False}
    # Invisible, and still with a tooltip.
    point = {"type": "point", "filled": True, "size": 40, "opacity": 0}
    last = {"data": {"values": values[-1:]}}
    return {
        "data": {"values": values},
        "width": WIDTH - MARGIN - 60,
        "height": 260,
        "encoding": {"x": parts.dates("day"), "y": parts.counts("y", **parts.SIDE)},
        "layer": [
            {"mark": area},
            parts.line(color=FIRST),
            {"mark": point, "encoding": parts.described()},
            parts.label("y", format=",d", fontWeight="bold") | last,
        ],
    }


def _ages(result: Result) -> Spec:
    """Return how many threads have waited how long."""
    counts = dict.fromkeys(AGES, 0)
    for row in result.rows:
        waited = row["hours"] * HOUR
        counts[next(age for age, end in AGES.items() if waited < end)] += 1
    values: Values = [
        {"name": age, "x": number, "text": text, "tip": f"{age}: {text}"}
        for age, number in counts.items()
        for text in [formats.count(number)]
    ]
    axis = {"minExtent": 120, "maxExtent": 120, "grid": False}
    y = {"field": "name", "type": "nominal", "sort": None, "axis": axis}
    return {
        "data": {"values": values},
        "width": WIDTH - MARGIN - 120,
        "height": {"step": 34},
        "encoding": {"y": y, "x": parts.counts("x")},
        "layer": [parts.bar(SECOND), parts.label("text")],
    }


def _agents(result: Result) -> Spec:
    """Return three bars for each of the busiest agents."""
    rows = result.rows[:MOST_AGENTS]
    names, y = parts.names(rows, "agent")
    panels: list[Spec] = []
    for column in ("open_threads", "threads_answered", "messages_sent"):
        label = result.columns[column].label
        values: Values = [
            {
                "name": name,
                "x": int(row[column]),
                "text": formats.count(row[column]),
                "tip": f"{row['agent']}, {label.lower()}: {formats.count(row[column])}",
            }
            for name, row in zip(names, rows, strict=True)
        ]
        axis = None if panels else y["axis"]
        panels.append(
            {
                "title": label,
                "data": {"values": values},
                "width": (WIDTH - y["axis"]["minExtent"]) // 3 - 54,
                "height": parts.step(names, 26),
                "encoding": {
                    "y": y | {"axis": axis},
                    "x": {"field": "x", "type": "quantitative", "axis": None},
                },
                "layer": [parts.bar(FIRST), parts.label("text")],
            }
        )
    return {"hconcat": panels, "spacing": 16}


def _hours(result: Result) -> Spec:
    """Return two maps of weekday and hour."""
    return {
        "vconcat": [_map(result, "received", FIRST), _map(result, "sent", SECOND)],
        "spacing": 24,
        "resolve": {"scale": {"fillOpacity": "independent"}},
    }


def _map(result: Result, column: str, color: str) -> Spec:
    label = result.columns[column].label
    values: Values = []
    for row in result.rows:
        weekday = formats.WEEKDAYS[row["weekday"] - 1]
        shown = formats.count(row[column])
        tip = f"{weekday} {row['hour']:02}:00, {label.lower()}: {shown}"
        place = {"weekday": weekday, "hour": row["hour"]}
        values.append(place | {"n": int(row[column]), "tip": tip})
    most = max(value["n"] for value in values) or 1
    # Light enough for the number in it, in both modes.
    scale = {"domain": [0, most], "range": [0.04, 0.6]}
    depth = {"field": "n", "type": "quantitative", "scale": scale, "legend": None}
    cell = {"type": "rect", "color": color, "stroke": CARD}
    number = parts.label("n", format="~s", align="center", dx=0, fontSize=11)
    axis = {"minExtent": 44}
    return {
        "title": f"{label}, by hour",
        "data": {"values": values},
        "width": WIDTH - 80,
        "height": 7 * 28,
        "encoding": {
            "x": {"field": "hour", "type": "ordinal", "axis": {"labelAngle": 0}},
            "y": {"field": "weekday", "type": "ordinal", "sort": None, "axis": axis},
        },
        "layer": [
            {"mark": cell, "encoding": parts.described(fillOpacity=depth)},
            number,
        ],
    }


CHARTS: dict[str, Callable[[Result], Spec]] = {
    "first_response_by_inbox": _waits("inbox", "minutes", MINUTE),
    "first_response_business_hours": _waits("inbox", "minutes", MINUTE),
    "first_response_by_channel": _waits("channel", "minutes", MINUTE),
    "first_response_by_week": _weeks,
    "answered_by_machine_first": _shares("machine_first", "threads", "share"),
    "never_answered": _shares("never_answered", "threads", "share"),
    "time_to_resolution": _waits("inbox", "hours", HOUR),
    "reopen_rate": _shares("reopened", "closed", "rate"),
    "waiting_now": _ages,
    "backlog_by_day": _days,
    "load_by_agent": _agents,
    "messages_by_hour": _hours,
}
"""The specification of each metric's chart."""
