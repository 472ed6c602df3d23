"""Print what was loaded into DuckDB; with ``--demo``, compare it with the account.

The exit code is 1 if there is nothing to report on, or if the demo's table differs from
the account.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sqlite3
import sys
import typing as t
from pathlib import Path

import duckdb

from tests.demo.truth import FIELDS, TIMESTAMPS, differences, utc

if t.TYPE_CHECKING:
    Row: t.TypeAlias = dict[str, t.Any]

ROOT = Path(__file__).resolve().parents[2]
TABLE = "hubspot.threads"
MONTHS = 18
BAR = 40
MOST_DIFFERENCES = 10


class NothingToReport(Exception):
    """There is no table, or it cannot be read."""


class Unequal(Exception):
    """The table differs from the account."""


def main() -> None:
    """Print the report on the last run of a job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", action="store_true")
    demo = parser.parse_args().demo
    t.cast("t.Any", sys.stdout).reconfigure(encoding="utf-8", line_buffering=True)
    try:
        if demo:
            report_demo()
        else:
            path = os.environ.get("TARGET_DUCKDB_PATH") or os.environ["REPORT_PATH"]
            Report(path, "tap-hubspot-threads-to-target-duckdb").print()
    except (NothingToReport, Unequal) as problem:
        sys.exit(str(problem))


def report_demo() -> None:
    """Print the report on the demo, and compare its table with the account.

    Raises:
        Unequal: The table differs from the account.
    """
    # A report on a real account does not need this import.
    from tests.demo.account import Run, account_on  # noqa: PLC0415

    report = Report(
        str(ROOT / "demo.duckdb"), "tap-hubspot-threads-demo-to-target-duckdb-demo"
    )
    report.print()
    run = Run.last()
    if run is None:
        raise Unequal("NOT EQUAL: demo.json, which says what to compare with, is gone")
    print(
        f"Day {run.day} of the account. Threads written: {run.written:,}. "
        f"Requests to HubSpot: {run.requests:,}"
    )
    account = account_on(run.day)
    found = list(differences(account.threads(), report.rows()))
    if found:
        lines = [f"NOT EQUAL, differences: {len(found):,}", *found[:MOST_DIFFERENCES]]
        if len(found) > MOST_DIFFERENCES:
            lines.append("...")
        lines.append("To start over, delete demo.duckdb and run `python3 tests/demo`")
        raise Unequal("\n".join(lines))
    print(
        f"Equal: the table holds the {len(account):,} threads of the account in each "
        f"of their {len(FIELDS)} fields, and nothing else"
    )


class Report:
    """The contents of a table of threads."""

    def __init__(self, path: str, state_id: str, table: str = TABLE) -> None:
        """Open the DuckDB file for reading.

        Args:
            path: The file, or a MotherDuck URI.
            state_id: Meltano's name for the pair of tap and loader.
            table: The table, with its schema.

        Raises:
            NothingToReport: There is no such file, or it has no such table.
        """
        self._path = path
        self._state_id = state_id
        self._table = table
        try:
            self._connection = duckdb.connect(path, read_only=True)
            columns = self._all("DESCRIBE {table}")
        except duckdb.Error as error:
            cause = str(error).splitlines()[0]
            raise NothingToReport(
                f"There is no table {table} to read in {path} ({cause}). Has the job "
                "loaded anything? Its log says more"
            ) from None
        self._columns = {column[0] for column in columns}

    def print(self) -> None:
        """Print the parts of the report that the selected fields allow."""
        [[total]] = self._all("SELECT count(*) FROM {table}")
        print(f"{total:,} threads in {self._table} of {Path(self._path).name}")
        if self._has("latestMessageTimestamp"):
            [[newest]] = self._all("SELECT max(latestMessageTimestamp) FROM {table}")
            when = f"{newest:%Y-%m-%d %H:%M:%S} UTC" if newest else "-"
            print(f"Newest message: {when}")
        if self._has("inboxId", "status"):
            self._print_inboxes()
        if self._has("createdAt"):
            self._print_months()
        seconds = self._seconds()
        if seconds is not None:
            print(f"Extracted and loaded in {seconds:.1f} s")

    def _print_inboxes(self) -> None:
        counts: dict[str, dict[str, int]] = {}
        for inbox, status, count in self._all(
            "SELECT coalesce(inboxId, '-'), coalesce(status, '-'), count(*) "
            "FROM {table} GROUP BY ALL"
        ):
            counts.setdefault(inbox, {})[status] = count
        statuses = sorted({status for inbox in counts.values() for status in inbox})
        widths = {status: max(10, len(status) + 2) for status in statuses}
        print(f"{'Inbox':<12}" + "".join(f"{s:>{widths[s]}}" for s in statuses))
        for inbox in sorted(counts, key=lambda name: -sum(counts[name].values())):
            numbers = [f"{counts[inbox].get(s, 0):>{widths[s]},}" for s in statuses]
            print(f"{inbox:<12}" + "".join(numbers))

    def _print_months(self) -> None:
        months = self._all(
            "SELECT strftime(createdAt, '%Y-%m') AS month, count(*) FROM {table} "
            f"WHERE month IS NOT NULL GROUP BY 1 ORDER BY 1 DESC LIMIT {MONTHS}"
        )
        most = max((count for _, count in months), default=0)
        print("Begun in       Threads")
        for month, count in reversed(months):
            print(f"{month:<12}{count:>10,} {'█' * round(BAR * count / most)}")

    def _seconds(self) -> float | None:
        """Return how long the last run took according to Meltano, None if unknown."""
        database = Path(os.environ.get("MELTANO_SYS_DIR_ROOT", ""), "meltano.db")
        if not database.is_file():  # Meltano was configured to use another database
            return None
        state_id = f"{os.environ.get('MELTANO_ENVIRONMENT')}:{self._state_id}"
        notes = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
        try:
            run = notes.execute(
                "SELECT started_at, ended_at FROM runs "
                "WHERE job_name = ? AND ended_at IS NOT NULL ORDER BY id DESC LIMIT 1",
                [state_id],
            ).fetchone()
        finally:
            notes.close()
        if run is None:
            return None
        began, ended = map(dt.datetime.fromisoformat, run)
        return (ended - began).total_seconds()

    def rows(self) -> list[Row]:
        """Return the rows of the table as the tap wrote them."""
        names = [name for name in FIELDS if self._has(name)]
        rows = [
            dict(zip(names, row, strict=True))
            for row in self._all(f"SELECT {', '.join(names)} FROM {{table}}")
        ]
        for row in rows:
            for name in TIMESTAMPS:
                if row.get(name):
                    row[name] = utc(row[name].replace(tzinfo=dt.UTC))
            if row.get("threadAssociations"):
                row["threadAssociations"] = json.loads(row["threadAssociations"])
        return rows

    def _has(self, *names: str) -> bool:
        return all(name.lower() in self._columns for name in names)

    def _all(self, query: str) -> list[tuple[t.Any, ...]]:
        result: list[tuple[t.Any, ...]]
        result = self._connection.execute(query.format(table=self._table)).fetchall()
        return result
