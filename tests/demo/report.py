"""Print what was loaded into DuckDB; with ``--demo``, compare it with the account.

The exit code is 1 if there is nothing to report on, or if one of the demo's tables
differs from the account.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import sqlite3
import sys
import typing as t
from pathlib import Path

import duckdb

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
    Row: t.TypeAlias = dict[str, t.Any]

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = "hubspot"
MONTHS = 18
MOST_AGENTS = 8
BAR = 40
MOST_DIFFERENCES = 10


class NothingToReport(Exception):
    """There is no table, or it cannot be read."""


class Unequal(Exception):
    """A table differs from the account."""


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
    """Print the report on the demo, and compare its tables with the account.

    Raises:
        Unequal: A table differs from the account.
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
        f"Messages: {run.messages:,}. Requests to HubSpot: {run.requests:,}"
    )
    account = account_on(run.day)
    truth = {
        stream: rows_of(account, stream, messages=True) for stream in FIELDS_OF_ALL
    }
    found = [
        difference
        for stream, rows in truth.items()
        for difference in differences(without_empty(rows), report.rows(stream), stream)
    ]
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
    names = [f"{len(truth[name]):,} {name.replace('_', ' ')}" for name in NAMES]
    print(f"Equal: {', '.join(names[:-1])} and {names[-1]}, in each of their fields")
    print(f"Equal: {len(truth['messages']):,} messages, in each of their fields")
    expected, medians = first_responses(account), report.first_responses()
    wrong = [
        i for i in expected.keys() | medians if not _is_equal(i, expected, medians)
    ]
    if wrong:
        raise Unequal(f"NOT EQUAL: median first response of {', '.join(sorted(wrong))}")
    print("Equal: the median first response of each inbox")


def _is_equal(inbox: str, expected: dict[str, float], found: dict[str, float]) -> bool:
    return math.isclose(
        expected.get(inbox, math.inf), found.get(inbox, -math.inf), abs_tol=0.001
    )


class Report:
    """The contents of a schema with the tables of the tap."""

    def __init__(self, path: str, state_id: str, schema: str = SCHEMA) -> None:
        """Open the DuckDB file for reading.

        Args:
            path: The file, or a MotherDuck URI.
            state_id: Meltano's name for the pair of tap and loader.
            schema: The schema of the tables.

        Raises:
            NothingToReport: There is no such file, or it has no table of threads.
        """
        self._path = path
        self._state_id = state_id
        self._schema = schema
        self._columns: dict[str, set[str]] = {}
        try:
            self._connection = duckdb.connect(path, read_only=True)
            # It would be printed between the lines of the report.
            self._connection.execute("SET enable_progress_bar = false")
            self._columns["threads"] = self._columns_of("threads")
        except duckdb.Error as error:
            cause = str(error).splitlines()[0]
            raise NothingToReport(
                f"There is no table {schema}.threads to read in {path} ({cause}). Has "
                "the job loaded anything? Its log says more"
            ) from None
        for stream in (*NAMES, "messages"):
            try:
                self._columns[stream] = self._columns_of(stream)
            except duckdb.CatalogException:  # deselected, or the token has no scope
                self._columns[stream] = set()

    def print(self) -> None:
        """Print the parts of the report that the selected fields allow."""
        [[total]] = self._all("SELECT count(*) FROM {schema}.threads")
        print(f"{total:,} threads in {self._schema}.threads of {Path(self._path).name}")
        if self._has("latestMessageTimestamp"):
            [[newest]] = self._all(
                "SELECT max(latestMessageTimestamp) FROM {schema}.threads"
            )
            when = f"{newest:%Y-%m-%d %H:%M:%S} UTC" if newest else "-"
            print(f"Newest message: {when}")
        if self._has("inboxId", "status"):
            self._print_inboxes()
        if self._has("assignedTo", "status"):
            self._print_agents()
        if self._has("createdAt"):
            self._print_months()
        if self._has("direction", "createdBy", "createdAt", stream="messages"):
            self._print_first_responses()
        seconds = self._seconds()
        if seconds is not None:
            print(f"Extracted and loaded in {seconds:.1f} s")

    def _print_inboxes(self) -> None:
        name, join = self._name_of("inboxes", "inboxId")
        counts: dict[tuple[str, str], dict[str, int]] = {}
        for inbox, name_of_inbox, status, count in self._all(
            f"SELECT coalesce(inboxId, '-'), {name}, coalesce(status, '-'), count(*) "
            f"FROM {{schema}}.threads {join} GROUP BY ALL"
        ):
            counts.setdefault((name_of_inbox, inbox), {})[status] = count
        statuses = sorted({status for inbox in counts.values() for status in inbox})
        widths = {status: max(10, len(status) + 2) for status in statuses}
        width = _width("Inbox", [name for name, _ in counts])
        print(f"{'Inbox':<{width}}" + "".join(f"{s:>{widths[s]}}" for s in statuses))
        for key in sorted(counts, key=lambda key: (-sum(counts[key].values()), key)):
            numbers = [f"{counts[key].get(s, 0):>{widths[s]},}" for s in statuses]
            print(f"{key[0]:<{width}}" + "".join(numbers))

    def _print_agents(self) -> None:
        name, join = self._name_of("actors", "assignedTo")
        agents = self._all(
            f"SELECT {name}, count(*) FROM {{schema}}.threads {join} "
            "WHERE status = 'OPEN' AND starts_with(assignedTo, 'A-') "
            "GROUP BY assignedTo, 1 ORDER BY 2 DESC, 1"
        )
        width = _width("Agent", [name for name, _ in agents[:MOST_AGENTS]])
        if agents:
            print(f"{'Agent':<{width}}{'OPEN':>10}")
        for agent, count in agents[:MOST_AGENTS]:
            print(f"{agent:<{width}}{count:>10,}")
        if len(agents) > MOST_AGENTS:
            print(f"... and {len(agents) - MOST_AGENTS} more agents")

    def _print_months(self) -> None:
        months = self._all(
            "SELECT strftime(createdAt, '%Y-%m') AS month, count(*) "
            "FROM {schema}.threads "
            f"WHERE month IS NOT NULL GROUP BY 1 ORDER BY 1 DESC LIMIT {MONTHS}"
        )
        most = max((count for _, count in months), default=0)
        print("Begun in       Threads")
        for month, count in reversed(months):
            print(f"{month:<12}{count:>10,} {'█' * round(BAR * count / most)}")

    def _print_first_responses(self) -> None:
        medians = self.first_responses()
        name, join = self._name_of("inboxes", "inboxId")
        names: dict[str, str] = dict(
            self._all(f"SELECT DISTINCT inboxId, {name} FROM {{schema}}.threads {join}")
        )
        if not medians:
            return
        width = _width("Inbox", [names[inbox] for inbox in medians])
        print("Median first response by inbox")
        for inbox in sorted(medians, key=lambda inbox: (medians[inbox], names[inbox])):
            print(f"{names[inbox]:<{width}}{medians[inbox]:>10,.0f} min")

    def first_responses(self) -> dict[str, float]:
        """Return the median minutes to the first response, by inbox.

        docs/metrics.md explains the metric.
        """
        return dict(
            self._all(
                "WITH said AS (SELECT *, conversationsThreadId AS thread "
                "FROM {schema}.messages WHERE type = 'MESSAGE'), "
                "asked AS (SELECT thread, min(createdAt) AS begun FROM said "
                "WHERE direction = 'INCOMING' GROUP BY thread), "
                "answered AS (SELECT thread, "
                "epoch_ms(min(createdAt)) - epoch_ms(min(begun)) AS wait "
                "FROM said JOIN asked USING (thread) WHERE direction = 'OUTGOING' "
                "AND starts_with(createdBy, 'A-') AND createdAt > begun "
                "GROUP BY thread) "
                "SELECT inboxId, median(wait) / 60000 FROM answered "
                "JOIN {schema}.threads ON threads.id = thread "
                "WHERE archived IS NOT TRUE AND spam IS NOT TRUE GROUP BY inboxId"
            )
        )

    def _name_of(self, stream: str, field: str) -> tuple[str, str]:
        """Return the SQL expression for the name of an ID, and the join that it needs.

        The expression falls back to the ID.
        """
        if not self._has("name", stream=stream):
            return f"coalesce({field}, '-')", ""
        return (
            f"coalesce({stream}.name, {field}, '-')",
            f"LEFT JOIN {{schema}}.{stream} ON {stream}.id = threads.{field}",
        )

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

    def rows(self, stream: str = "threads") -> list[Row]:
        """Return the rows of a table as the tap wrote them."""
        fields = FIELDS_OF_ALL[stream]
        names = [name for name in fields if self._has(name, stream=stream)]
        if not names:
            return []
        rows = [
            dict(zip(names, row, strict=True))
            for row in self._all(f"SELECT {', '.join(names)} FROM {{schema}}.{stream}")
        ]
        for row in rows:
            for name, value in row.items():
                if name in MOMENTS and value:
                    row[name] = utc(value.replace(tzinfo=dt.UTC))
                elif name in OBJECTS.get(stream, ()) and value:
                    row[name] = json.loads(value)
        return rows

    def _has(self, *names: str, stream: str = "threads") -> bool:
        return all(name.lower() in self._columns[stream] for name in names)

    def _columns_of(self, stream: str) -> set[str]:
        columns = self._all(f"DESCRIBE {{schema}}.{stream}")
        return {column[0].lower() for column in columns}

    def _all(self, query: str) -> list[tuple[t.Any, ...]]:
        result: list[tuple[t.Any, ...]]
        query = query.format(schema=self._schema)
        result = self._connection.execute(query).fetchall()
        return result


def _width(title: str, names: list[str]) -> int:
    """Return the width of a column that fits its title and its names."""
    return max(len(title), 10, *map(len, names)) + 2 if names else 12
