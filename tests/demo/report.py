"""Print the report on the demo, and compare the loaded tables with the account.

The exit code is 1 if there is nothing to report on, or if a table differs.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import sqlite3
import sys
import typing as t
from pathlib import Path

from tap_hubspot_threads.report.cli import publish
from tap_hubspot_threads.report.metrics import Metric, Result
from tap_hubspot_threads.report.warehouse import NothingToReport, Warehouse
from tests.demo.account import Run, account_on
from tests.demo.truth import (
    FIELDS,
    FIELDS_OF_ALL,
    MOMENTS,
    NAMES,
    OBJECTS,
    differences,
    first_responses,
    rows_of,
    utc,
    without_empty,
)

if t.TYPE_CHECKING:
    from tests.fake_hubspot import Account

    Row: t.TypeAlias = dict[str, t.Any]

ROOT = Path(__file__).resolve().parents[2]
STATE_ID = "tap-hubspot-threads-demo-to-target-duckdb-demo"
MOST_DIFFERENCES = 10


class Unequal(Exception):
    """A table differs from the account."""


def main() -> None:
    """Print the report, write the page, and compare."""
    t.cast("t.Any", sys.stdout).reconfigure(encoding="utf-8", line_buffering=True)
    try:
        with Warehouse(str(ROOT / "demo.duckdb")) as warehouse:
            run = Run.last()
            now = account_on(run.day).clock.now if run else dt.datetime.now(dt.UTC)
            publish(warehouse, now, str(ROOT / "demo.html"))
            seconds = _seconds()
            if seconds is not None:
                print(f"Extracted and loaded in {seconds:.1f} s")
            compare(warehouse, run)
    except (NothingToReport, Unequal) as problem:
        sys.exit(str(problem))


def compare(warehouse: Warehouse, run: Run | None) -> None:
    """Compare the tables with the account, and the first responses.

    Raises:
        Unequal: Something differs.
    """
    if run is None:
        raise Unequal("NOT EQUAL: demo.json, which says what to compare with, is gone")
    print(
        f"Day {run.day} of the account. Threads written: {run.written:,}. "
        f"Messages: {run.messages:,}. Requests to HubSpot: {run.requests:,}"
    )
    account = account_on(run.day)
    truth = {
        stream: rows_of(account, stream, messages=True) for stream in FIELDS_OF_ALL
    }
    found = [
        difference
        for stream, truth_rows in truth.items()
        for difference in differences(
            without_empty(truth_rows), rows(warehouse, stream), stream
        )
    ]
    if found:
        lines = [f"NOT EQUAL, differences: {len(found):,}", *found[:MOST_DIFFERENCES]]
        if len(found) > MOST_DIFFERENCES:
            lines.append("...")
        lines.append("To start over, delete demo.duckdb and run `python3 tests/demo`")
        raise Unequal("\n".join(lines))
    print(
        f"Equal: the table holds the {len(account):,} threads of the account in each "
        f"of their {len(FIELDS)} fields"
    )
    names = [f"{len(truth[name]):,} {name.replace('_', ' ')}" for name in NAMES]
    print(f"Equal: {', '.join(names[:-1])} and {names[-1]}, in each of their fields")
    print(f"Equal: {len(truth['messages']):,} messages, in each of their fields")
    _compare_first_responses(account, warehouse)
    print("Equal: the median first response of each inbox")


def _compare_first_responses(account: Account, warehouse: Warehouse) -> None:
    metric = Metric.load("first_response_by_inbox")
    measured = warehouse.measure(metric, account.clock.now)
    found = (
        {row["inbox"]: row["median_minutes"] for row in measured.rows}
        if isinstance(measured, Result)
        else {}
    )
    names = {row["id"]: row["name"] for row in account.directory.inbox_rows()}
    expected = {names[id_]: wait for id_, wait in first_responses(account).items()}
    wrong = [
        inbox
        for inbox in sorted(expected.keys() | found.keys())
        if not math.isclose(
            expected.get(inbox, math.inf), found.get(inbox) or -math.inf, abs_tol=0.001
        )
    ]
    if wrong:
        raise Unequal(f"NOT EQUAL: median first response of {', '.join(wrong)}")


def rows(warehouse: Warehouse, stream: str = "threads") -> list[Row]:
    """Return the rows of a table as the tap wrote them."""
    fields = FIELDS_OF_ALL[stream]
    names = [name for name in fields if warehouse.has(name, table=stream)]
    if not names:
        return []
    columns = ", ".join(f'"{name}"' for name in names)
    found: list[Row] = [
        dict(zip(names, row, strict=True))
        for row in warehouse.all(f"SELECT {columns} FROM {warehouse.qualified(stream)}")
    ]
    for row in found:
        for name, value in row.items():
            if name in MOMENTS and value:
                row[name] = utc(value.replace(tzinfo=dt.UTC))
            elif name in OBJECTS.get(stream, ()) and value:
                row[name] = json.loads(value)
    return found


def _seconds() -> float | None:
    """Return how long the last run took according to Meltano, None if unknown."""
    database = Path(os.environ.get("MELTANO_SYS_DIR_ROOT", ""), "meltano.db")
    if not database.is_file():  # Meltano was configured to use another database
        return None
    notes = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    try:
        run = notes.execute(
            "SELECT started_at, ended_at FROM runs "
            "WHERE job_name = ? AND ended_at IS NOT NULL ORDER BY id DESC LIMIT 1",
            [f"{os.environ.get('MELTANO_ENVIRONMENT')}:{STATE_ID}"],
        ).fetchone()
    finally:
        notes.close()
    if run is None:
        return None
    began, ended = map(dt.datetime.fromisoformat, run)
    return (ended - began).total_seconds()
