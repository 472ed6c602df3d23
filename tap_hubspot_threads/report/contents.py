"""What is in a report, before it is written down."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from tap_hubspot_threads.report import formats
from tap_hubspot_threads.report.metrics import GROUPS, LeftOut, Metric, Result

if t.TYPE_CHECKING:
    from tap_hubspot_threads.report.warehouse import Warehouse


@dataclasses.dataclass(frozen=True)
class Headline:
    """One of the numbers at the top.

    Attributes:
        label: What is counted.
        value: The number, without a unit.
        shown: The number as it is written.
        note: What it refers to.
    """

    label: str
    value: float
    shown: str
    note: str


@dataclasses.dataclass(frozen=True)
class Report:
    """The contents of a report.

    Attributes:
        name: The name of the DuckDB file.
        schema: The schema of the tables.
        generated: The present moment, in UTC. Waits last until then.
        newest: When the newest message was sent or received, if that is known.
        threads: How many threads there are.
        headlines: The numbers at the top.
        results: The metrics by name, in order.
        left_out: The metrics that cannot be shown.
    """

    name: str
    schema: str
    generated: dt.datetime
    newest: dt.datetime | None
    threads: int
    headlines: list[Headline]
    results: dict[str, Result]
    left_out: list[LeftOut]

    @classmethod
    def of(cls, warehouse: Warehouse, now: dt.datetime) -> Report:
        """Measure everything that the loaded tables allow."""
        measured = [
            warehouse.measure(Metric.load(name), now)
            for names in GROUPS.values()
            for name in names
        ]
        results = {
            result.metric.name: result
            for result in measured
            if isinstance(result, Result)
        }
        [[threads]] = warehouse.all("SELECT count(*) FROM threads")
        return cls(
            name=warehouse.name,
            schema=warehouse.schema,
            generated=now,
            newest=warehouse.newest(now),
            threads=threads,
            headlines=list(_headlines(warehouse, threads, results)),
            results=results,
            left_out=[each for each in measured if isinstance(each, LeftOut)],
        )


def _week(monday: dt.date) -> str:
    sunday = monday + dt.timedelta(days=6)
    end = f"{sunday:%b} " if sunday.month != monday.month else ""
    return f"{monday:%b} {monday.day}\N{EN DASH}{end}{sunday.day}"


def _headlines(
    warehouse: Warehouse, threads: int, results: dict[str, Result]
) -> t.Iterator[Headline]:
    yield Headline("Threads", threads, formats.count(threads), "in the table")
    if warehouse.has("status", "archived", "spam"):
        [[opened]] = warehouse.all(
            "SELECT count(*) FROM threads WHERE status = 'OPEN' "
            "AND archived IS NOT TRUE AND spam IS NOT TRUE"
        )
        yield Headline("Open", opened, formats.count(opened), "without spam")
    if waiting := results.get("waiting_now"):
        number = len(waiting.rows)
        longest = formats.duration(max(row["hours"] for row in waiting.rows) * 60)
        yield Headline("Waiting", number, formats.count(number), f"longest {longest}")
    if (weeks := results.get("first_response_by_week")) and (
        answered := [r for r in weeks.rows[:-1] if r["median_minutes"] is not None]
    ):
        # The last week is not over.
        last = answered[-1]
        yield Headline(
            "First response",
            last["median_minutes"],
            formats.duration(last["median_minutes"]),
            f"median, {_week(last['week'])}",
        )
    for label, name, part, whole, note in (
        ("Closed unanswered", "never_answered", "never_answered", "threads", "closed"),
        ("Reopened", "reopen_rate", "reopened", "closed", "closed"),
    ):
        if result := results.get(name):
            fraction = result.total(part) / result.total(whole)
            of = f"of {formats.count(result.total(whole))} {note}"
            yield Headline(label, fraction, formats.share(fraction), of)
