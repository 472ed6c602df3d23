"""The report as plain text, at most 100 columns wide."""

from __future__ import annotations

import textwrap
import typing as t

from tap_hubspot_threads.report import formats
from tap_hubspot_threads.report.metrics import NAMES, Column

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_hubspot_threads.report.contents import Report
    from tap_hubspot_threads.report.metrics import Result
    from tap_hubspot_threads.report.warehouse import Warehouse

WIDTH = 100
MONTHS = 18
BAR = 40
"""The longest bar, in columns."""

WIDEST = 44
"""The columns for names in a line. The rest of a longer one is left out."""

FEW = 8
TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "first_response_by_inbox": (
        "median_minutes",
        ("threads", "unanswered", "median_minutes", "p90_minutes"),
    ),
    "first_response_by_channel": (
        "median_minutes",
        ("threads", "unanswered", "median_minutes", "p90_minutes"),
    ),
    "first_response_by_week": (
        "median_minutes",
        ("threads", "unanswered", "median_minutes", "p90_minutes"),
    ),
    "time_to_resolution": ("median_hours", ("resolved", "median_hours", "p90_hours")),
    "never_answered": ("share", ("threads", "never_answered", "share")),
    "reopen_rate": ("rate", ("closed", "reopened", "rate")),
    "waiting_now": ("hours", ("hours",)),
    "load_by_agent": (
        "open_threads",
        ("open_threads", "threads_answered", "messages_sent"),
    ),
}
"""The metrics on the console: the column that the bars show, and all columns."""


def lines(warehouse: Warehouse, report: Report) -> Iterator[str]:
    """Return the lines of the report."""
    yield f"{report.threads:,} threads in {report.schema}.threads of {report.name}"
    newest = f"{report.newest:%Y-%m-%d %H:%M:%S} UTC" if report.newest else "-"
    yield f"Newest message: {newest}"
    if warehouse.has("inboxId", "status"):
        yield from _inboxes(warehouse)
    if warehouse.has("createdAt"):
        yield from _months(warehouse)
    for name, (bar, columns) in TABLES.items():
        if result := report.results.get(name):
            yield ""
            yield from _table(result, bar, columns)
    if report.left_out:
        yield ""
        yield from _left_out(report)


def _inboxes(warehouse: Warehouse) -> Iterator[str]:
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for inbox, name, status, count in warehouse.all(
        "SELECT coalesce(\"inboxId\", '-'), coalesce(inboxes.name, \"inboxId\", '-'), "
        "coalesce(status, '-'), count(*) "
        'FROM threads LEFT JOIN inboxes ON inboxes.id = threads."inboxId" GROUP BY ALL'
    ):
        counts.setdefault((name, inbox), {})[status] = count
    statuses = sorted({status for inbox in counts.values() for status in inbox})
    rows = [
        [key[0], *(counts[key].get(status, 0) for status in statuses)]
        for key in sorted(counts, key=lambda key: (-sum(counts[key].values()), key))
    ]
    kinds = [Column("Inbox", "text"), *(Column(s, "count") for s in statuses)]
    yield ""
    yield from _grid(kinds, rows)


def _months(warehouse: Warehouse) -> Iterator[str]:
    months = warehouse.all(
        "SELECT strftime(CAST(\"createdAt\" AS TIMESTAMP), '%Y-%m') AS month, count(*) "
        "FROM threads WHERE month IS NOT NULL GROUP BY 1 ORDER BY 1 DESC"
    )
    kinds = [Column("Begun in", "text"), Column("Threads", "count")]
    yield ""
    yield from _grid(kinds, months[:MONTHS][::-1], bar=1)
    if len(months) > MONTHS:
        yield f"... after {len(months) - MONTHS:,} others"


def _table(result: Result, bar: str, columns: tuple[str, ...]) -> Iterator[str]:
    name = next(iter(result.columns))
    columns = (name, *columns)
    # Of weeks the newest, of everything else the first.
    rows = result.rows[-FEW:] if name == "week" else result.rows[:FEW]
    if name == "thread":
        columns = (name, "inbox", "assigned_to", "hours")
    yield result.metric.title
    yield from _grid(
        [result.columns[column] for column in columns],
        [[row[column] for column in columns] for row in rows],
        bar=columns.index(bar),
    )
    if len(result.rows) > len(rows):
        more = f"{len(result.rows) - len(rows):,}"
        yield f"... after {more} others" if name == "week" else f"... and {more} more"


def _left_out(report: Report) -> Iterator[str]:
    titles: dict[str, list[str]] = {}
    for each in report.left_out:
        titles.setdefault(each.reason, []).append(each.metric.title)
    for reason, which in titles.items():
        metrics = "all metrics" if len(which) == len(NAMES) else ", ".join(which)
        text = f"Left out: {metrics}, because {reason}"
        yield from textwrap.wrap(text, WIDTH, subsequent_indent="  ")


def _grid(
    columns: Sequence[Column], rows: Sequence[Sequence[t.Any]], bar: int | None = None
) -> Iterator[str]:
    """Return a table, with a bar at the end of each line for one of its columns."""
    widest = WIDEST // sum(not column.is_number for column in columns)
    texts = [
        [_cell(*cell, widest) for cell in zip(row, columns, strict=True)]
        for row in rows
    ]
    heads = [column.label for column in columns]
    widths = [max(map(len, cells)) for cells in zip(heads, *texts, strict=True)]
    widths = [
        max(width + 2, 10) if column.is_number else width
        for width, column in zip(widths, columns, strict=True)
    ]
    room = min(BAR, WIDTH - 1 - sum(widths) - 2 * len(widths))
    drawn = [0.0 if bar is None else float(row[bar] or 0) for row in rows]
    most = max(drawn, default=0.0)
    yield _line(heads, columns, widths)
    for value, cells in zip(drawn, texts, strict=True):
        length = round(room * value / most) if most else 0
        yield f"{_line(cells, columns, widths)} {'█' * length}".rstrip()


def _cell(value: t.Any, column: Column, widest: int) -> str:  # noqa: ANN401
    text = " ".join(formats.shown(value, column.kind).split())
    return text if len(text) <= widest else text[: widest - 1] + "…"


def _line(cells: Sequence[str], columns: Sequence[Column], widths: list[int]) -> str:
    aligned = [
        f"{cell:>{width}}" if column.is_number else f"{cell:<{width}}  "
        for cell, column, width in zip(cells, columns, widths, strict=True)
    ]
    return "".join(aligned).rstrip()
