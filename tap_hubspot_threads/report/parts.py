"""What the charts have in common: names, axes, bars and labels."""

from __future__ import annotations

import textwrap
import typing as t
import unicodedata

from tap_hubspot_threads.report.svg import MUTED

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_hubspot_threads.report.svg import Spec

    Values: t.TypeAlias = list[dict[str, t.Any]]

LINE = 26
"""The characters of a name on one line. Longer names are wrapped, not cut."""

MINUTE, HOUR, DAY = 1, 60, 1440
TICKS = (1, 10, HOUR, 4 * HOUR, DAY, 7 * DAY, 30 * DAY, 180 * DAY, 730 * DAY)
SIDE: Spec = {"minExtent": 60, "maxExtent": 60}
"""The room for numbers at the left of a chart over time."""


def names(rows: Iterable[dict[str, t.Any]], column: str) -> tuple[list[str], Spec]:
    """Return the wrapped names of rows, and the channel that shows them."""
    wrapped = ["\n".join(textwrap.wrap(row[column], LINE)) or "-" for row in rows]
    # Rows with the same name are different inboxes, and so have a place each.
    keys = [f"{number}\n{name}" for number, name in enumerate(wrapped)]
    widest = max(_width(line) for name in wrapped for line in name.splitlines())
    axis = {
        "labelExpr": "slice(split(datum.label, '\\n'), 1)",
        "minExtent": widest,
        "maxExtent": widest,
        "grid": False,
    }
    return keys, {"field": "name", "type": "nominal", "sort": None, "axis": axis}


def _width(line: str) -> int:
    """Return how many pixels a line of text takes at most, in any common font."""
    wide = sum(unicodedata.east_asian_width(character) in "FW" for character in line)
    return 8 * (len(line) + wide) + 8


def step(keys: Iterable[str], least: int) -> Spec:
    """Return the height of a row, which all lines of a name fit into."""
    lines = max(key.count("\n") for key in keys)
    return {"step": max(least, 17 * lines + 12)}


def described(**channels: Spec) -> Spec:
    """Return channels of a mark with a tooltip, which is the field `tip`."""
    return {**channels, "description": {"field": "tip", "type": "nominal"}}


def minutes(field: str, drawn: list[float], **axis: int) -> Spec:
    """Return a logarithmic channel for minutes, of which the least is 1.

    Response times spread from minutes to months: on a linear axis, all short ones would
    be in one place.
    """
    least = max(tick for tick in TICKS if tick <= min(drawn, default=MINUTE))
    most = max([*drawn, 10 * least])
    label = (
        f"datum.value < {HOUR} ? datum.value + ' min' : datum.value < {DAY} ? "
        f"datum.value / {HOUR} + ' h' : datum.value / {DAY} + ' d'"
    )
    ticks = [tick for tick in TICKS if least <= tick <= most]
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"type": "log", "domain": [least, most], "nice": False},
        "axis": {"values": ticks, "labelExpr": label, **axis},
    }


def counts(field: str, **axis: int) -> Spec:
    """Return a channel for whole numbers."""
    shown = {"format": ",d", "tickCount": 4, "tickMinStep": 1, **axis}
    return {"field": field, "type": "quantitative", "axis": shown}


def dates(field: str) -> Spec:
    """Return a channel for days."""
    axis = {"format": "%b %Y", "grid": False, "labelOverlap": True, "tickCount": 8}
    return {"field": field, "type": "temporal", "scale": {"type": "utc"}, "axis": axis}


def bar(color: str) -> Spec:
    """Return the layer of horizontal bars."""
    # No rounded corners: they need clips, with IDs that count all charts of a process.
    mark = {"type": "bar", "color": color, "height": {"band": 0.62}}
    return {"mark": mark, "encoding": described()}


def line(**mark: str) -> Spec:
    """Return the layer of a line over time."""
    style = {"type": "line", "strokeWidth": 2, "strokeJoin": "round", "aria": False}
    return {"mark": style | mark}


def label(field: str, **mark: t.Any) -> Spec:  # noqa: ANN401
    """Return the layer of texts to the right of bars or points."""
    text: Spec = {"field": field}
    if isinstance(form := mark.pop("format", None), str):
        text["format"] = form
    style = {"type": "text", "align": "left", "dx": 8}
    return {"mark": style | mark, "encoding": {"text": text}}


def remark(field: str) -> Spec:
    """Return the layer of texts in rows that have nothing to draw."""
    return {
        "transform": [{"filter": f"isValid(datum.{field})"}],
        "mark": {"type": "text", "align": "left", "dx": 6, "color": MUTED},
        "encoding": {"x": {"value": 0}, "text": {"field": field}},
    }
