"""What metrics make of rows that are rare, missing or wrong, on both databases.

The tables hold a few rows each, so what is expected can be read from them.
"""

from __future__ import annotations

import datetime as dt
import typing as t

import duckdb
import psycopg
import pytest

from tests.demo.truth import rows_of, written
from tests.support import readme
from tests.support.databases import close_to
from tests.support.metrics_cases import CASES
from tests.support.metrics_story import LEFT_OUT, SMALL, small_account
from tests.support.metrics_tables import (
    COLUMNS,
    FILES,
    Engine,
    Tables,
    became,
    said,
    thread,
)

if t.TYPE_CHECKING:
    from tests.support.meltano_project import Row

pytestmark = pytest.mark.xdist_group("meltano")


@pytest.fixture(params=["duckdb", "postgres"])
def engine(request: pytest.FixtureRequest, postgres: str) -> Engine:
    return Engine(request.param, postgres)


def story() -> Tables:
    """Return the account of the story, without the channel that is left out."""
    account = small_account()
    tables = Tables()
    for stream, columns in COLUMNS.items():
        rows = [written(x, stream) for x in rows_of(account, stream, messages=True)]
        kept = [x for x in rows if x.get("originalChannelId") != LEFT_OUT]
        found = [{name: row.get(name) for name in columns} for row in kept]
        setattr(tables, stream, found)
    return tables


def without_waits(rows: list[Row]) -> list[Row]:
    """Return rows without what the story does not say."""
    return [
        {name: row[name] for name in row if name not in {"thread", "hours"}}
        for row in rows
    ]


def assert_story(engine: Engine, metric: str, found: list[Row]) -> None:
    """Assert that a metric is that of the story."""
    key = list(SMALL[metric][0])[:2]

    def in_order(rows: list[Row]) -> list[Row]:
        return sorted(rows, key=lambda row: [str(row[name]) for name in key])

    expected = close_to(in_order(SMALL[metric]))
    assert in_order(without_waits(found)) == expected, (engine, metric)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("moments", ["TIMESTAMP", "TIMESTAMPTZ"])
def test_sessions_and_types(engine: Engine, moments: str, zone: str) -> None:
    """Neither the session's time zone nor that of the columns changes a number."""
    engine.zone = zone
    tables = story()
    tables.moments = moments
    for metric in FILES:
        assert_story(engine, metric, engine.find(metric, tables))


def test_moments_that_are_texts(engine: Engine) -> None:
    """In columns of texts, as the tap writes them, metrics are right or fail."""
    tables = story()
    tables.moments = "VARCHAR"
    right = set()
    for metric in FILES:
        try:
            found = engine.find(metric, tables)
        except (duckdb.Error, psycopg.Error):
            continue
        assert_story(engine, metric, found)
        right.add(metric)
    compare_only = {"never_answered", "reopen_rate"}
    assert right == compare_only | {"answered_by_machine_first", "load_by_agent"}


def test_documented_view_of_texts(engine: Engine) -> None:
    """With the documented view, texts are date-times."""
    tables = story()
    tables.moments = "VARCHAR"
    view = readme.block("sql", "CREATE TEMPORARY VIEW messages").text
    for metric in ("first_response_by_week", "messages_by_hour", "load_by_agent"):
        assert_story(engine, metric, engine.find(metric, tables, view))


@pytest.mark.parametrize("table", ["inboxes", "channels", "actors"])
def test_a_table_of_names_that_does_not_exist(engine: Engine, table: str) -> None:
    """With the documented view instead of it, each metric returns IDs."""
    view = readme.block("sql", "CREATE TEMPORARY VIEW actors").text
    view = view.replace("actors", table)
    with_names, without = story(), story()
    without.missing = (table,)
    setattr(with_names, table, [])
    for metric in FILES:
        found = engine.find(metric, without, view)
        assert found
        assert found == engine.find(metric, with_names)


def test_empty_tables(engine: Engine) -> None:
    """Without rows, there is nothing to count, and no metric fails."""
    for metric in FILES:
        found = engine.find(metric, Tables())
        if metric == "messages_by_hour":
            assert len(found) == 7 * 24
            found = [row for row in found if row["received"] or row["sent"]]
        assert found == [], metric


def test_threads_that_do_not_count(engine: Engine) -> None:
    """Archived threads, spam, and threads that are not in the table have no effect."""
    names = ("archived", "spam", "absent")
    tables = Tables([thread(name, "02 09:00", assignedTo="A-1") for name in names[:2]])
    tables.threads += [
        thread(f"{name} and closed", "02 09:00", "03 09:00") for name in names[:2]
    ]
    for row in tables.threads:
        row[row["id"].split()[0]] = True
    for name in (*names, *(f"{name} and closed" for name in names)):
        tables.messages += [
            said(name, "02 09:00", "contact"),
            said(name, "02 10:00", "bot"),
            said(name, "02 11:00", "Ann"),
            became(name, "02 12:00", "CLOSED"),
            became(name, "02 13:00", "OPEN"),
            said(name, "02 14:00", "contact"),
        ]
    for metric in FILES:
        found = engine.find(metric, tables)
        if metric == "messages_by_hour":
            found = [row for row in found if row["received"] or row["sent"]]
        assert found == [], metric


def test_flags_that_are_null(engine: Engine) -> None:
    """A thread counts if HubSpot does not say whether it is archived or spam."""
    tables = story()
    for row in tables.threads:
        for flag in ("archived", "spam"):
            row[flag] = row[flag] or None
    for metric in FILES:
        assert_story(engine, metric, engine.find(metric, tables))


def test_histories_without_events(engine: Engine) -> None:
    """If only messages are loaded, status and `closedAt` of the threads are enough.

    There is no reopen rate. The backlog does not know that Reopened was closed from
    Monday to Tuesday.
    """
    tables = story()
    spoken = ("MESSAGE", "COMMENT", "WELCOME_MESSAGE")
    tables.messages = [row for row in tables.messages if row["type"] in spoken]
    for metric in FILES:
        found = engine.find(metric, tables)
        if metric == "reopen_rate":
            assert found == []
        elif metric == "backlog_by_day":
            monday, *rest = SMALL[metric]
            assert found == [monday | {"open_threads": 4}, *rest]
        else:
            assert_story(engine, metric, found)


def test_histories_that_are_not_loaded(engine: Engine) -> None:
    """Of threads without a history, only what `threads` says about them counts."""
    tables = Tables(
        [
            thread("loaded", "02 09:00", "04 09:00"),
            thread("closed", "02 09:00", "03 09:00", assignedTo="A-1"),
            thread("open", "03 09:00", assignedTo="A-1"),
        ],
        [
            said("loaded", "02 09:00", "contact"),
            said("loaded", "02 09:30", "Bob"),
            became("loaded", "02 10:00", "CLOSED"),
            became("loaded", "03 10:00", "OPEN"),
            became("loaded", "04 09:00", "CLOSED"),
        ],
    )
    expected = {
        "first_response_by_inbox": [("loaded", 1, 0, 30, 30)],
        "reopen_rate": [("loaded", 1, 1, 1)],
        "never_answered": [("loaded", 1, 0, 0)],
        "time_to_resolution": [("loaded", 1, 48, 48)],
        "backlog_by_day": [
            ("2026-03-02", 1),  # "closed"
            ("2026-03-03", 2),  # "loaded" again, and "open"
            ("2026-03-04", 1),
        ],
        "load_by_agent": [("A-1", 1, 0, 0), ("A-2", 0, 1, 1)],
        "waiting_now": [],
    }
    for metric, rows in expected.items():
        assert engine.values(metric, tables) == rows, metric


@pytest.mark.parametrize("name", CASES)
def test_rare_threads(engine: Engine, name: str) -> None:
    """Each metric of a case returns what was worked out by hand, in order."""
    case = CASES[name]
    for metric, rows in case.expected.items():
        found = engine.values(metric, case.tables)
        assert found == [pytest.approx(row) for row in rows], metric


def test_rows_of_the_same_name(engine: Engine) -> None:
    """Inboxes, channels and agents of the same name have a row each, by their IDs."""
    numbers = range(10, 30)
    name = [{"id": f"{number}", "name": "Same"} for number in reversed(numbers)]
    tables = Tables(inboxes=name, channels=name)
    tables.actors = [{"id": f"A-{row['id']}", "name": "Same"} for row in name]
    for number in reversed(numbers):
        ids = {"inboxId": f"{number}", "originalChannelId": f"{number}"}
        agent = {"createdBy": f"A-{number}"}
        for count in range(number):
            label = f"{number}-{count}"
            tables.threads.append(thread(label, "02 09:00", "02 11:00", **ids))
            tables.messages += [
                said(label, "02 09:00", "contact"),
                said(label, "02 10:00", "Ann", **agent),
                became(label, "02 11:00", "CLOSED"),
            ]
        # Each agent sends 30 messages.
        for _ in range(number, 30):
            tables.messages.append(said(f"{number}-0", "02 10:30", "Ann", **agent))
    for metric in FILES:
        found = engine.find(metric, tables)
        if metric == "load_by_agent":
            assert [row["threads_answered"] for row in found] == [*numbers]
        elif found and set(found[0]) & {"inbox", "channel"}:
            counted = [list(row.values())[:2] for row in found]
            assert counted == [["Same", number] for number in numbers], metric


def test_single_rows(engine: Engine) -> None:
    """One thread without a message, and then with one, is enough for each metric."""
    tables = Tables([thread("a", "02 09:00", assignedTo="A-1")])
    expected: dict[str, list[tuple[t.Any, ...]]] = {name: [] for name in FILES}
    expected |= {
        "backlog_by_day": [("2026-03-02", 1)],
        "load_by_agent": [("A-1", 1, 0, 0)],
    }
    del expected["messages_by_hour"]
    for metric, rows in expected.items():
        assert engine.values(metric, tables) == rows, metric
    tables.messages = [said("a", "02 09:00", "contact")]
    expected |= {
        "first_response_by_inbox": [("a", 1, 1, None, None)],
        "first_response_business_hours": [("a", 1, 1, None, None)],
        "first_response_by_channel": [("1002", 1, 1, None, None)],
        "first_response_by_week": [("2026-03-02", 1, 1, None, None)],
        "answered_by_machine_first": [("a", 1, 0, 0)],
        "waiting_now": [("a", "a", "A-1", "2026-03-02 09:00:00", 18 * 24 + 3)],
    }
    for metric, rows in expected.items():
        assert engine.values(metric, tables) == rows, metric


BERLIN = {"VALUES ('UTC')": "VALUES ('Europe/Berlin')"}
LATER = {"CURRENT_TIMESTAMP": "TIMESTAMPTZ '2026-12-01 00:00:00+00'"}


@pytest.mark.parametrize("moments", ["TIMESTAMP", "TIMESTAMPTZ"])
def test_days_around_summer_time(engine: Engine, moments: str) -> None:
    """In Berlin, days, weeks and hours begin an hour earlier from March 29 on."""
    engine.zone = "America/New_York"
    names = ("a", "b", "c", "d")
    asked = (
        "2026-03-22T22:30:00Z",  # Sunday at 23:30
        "2026-03-28T23:30:00Z",  # Sunday at 00:30
        "2026-03-29T22:30:00Z",  # Monday at 00:30
        "2026-03-29T21:30:00Z",  # Sunday at 23:30
    )
    tables = Tables(moments=moments)
    for name, when in zip(names, asked, strict=True):
        tables.threads.append(thread(name, when))
        tables.messages.append(said(name, when, "contact"))
    found = engine.values("first_response_by_week", tables, changes=BERLIN | LATER)
    assert found == [
        ("2026-03-16", 1, 1, None, None),
        ("2026-03-23", 2, 2, None, None),
        ("2026-03-30", 1, 1, None, None),
    ]
    found = engine.values("messages_by_hour", tables, changes=BERLIN)
    assert [row for row in found if row[2]] == [
        (1, 0, 1, 0),
        (7, 0, 1, 0),
        (7, 23, 2, 0),
    ]
    found = engine.values("backlog_by_day", tables, changes=BERLIN)
    assert found[0] == ("2026-03-22", 1)
    assert found[-3:] == [("2026-03-28", 1), ("2026-03-29", 3), ("2026-03-30", 4)]


@pytest.mark.parametrize(
    ("asked", "answered", "minutes"),
    [
        # Friday at 16:00 and Monday at 10:00, when it is summer, with a Sunday that is
        # open all day between them.
        ("2026-03-27T15:00:00Z", "2026-03-30T08:00:00Z", 120 + 1440),
        # The same in October.
        ("2026-10-23T14:00:00Z", "2026-10-26T09:00:00Z", 120 + 1440),
        # Sunday at 02:30, and at 02:15 and 02:45 after clocks were set back to 02:00. A
        # clock on the wall shows no more.
        ("2026-10-25T00:30:00Z", "2026-10-25T01:15:00Z", 0),
        ("2026-10-25T00:30:00Z", "2026-10-25T01:45:00Z", 15),
        # A week, with 5 * 480 and 1440 minutes, and over the end of a year.
        ("2026-10-26T09:00:00Z", "2026-11-02T09:00:00Z", 5 * 480 + 1440),
        ("2026-12-28T09:00:00Z", "2027-01-04T09:00:00Z", 5 * 480 + 1440),
        # Saturday, before the opening, and until after the closing.
        ("2026-11-07T09:00:00Z", "2026-11-07T10:00:00Z", 0),
        ("2026-11-09T05:00:00Z", "2026-11-09T20:00:00Z", 480),
        ("2026-11-09T20:00:00Z", "2026-11-10T05:00:00Z", 0),
    ],
)
def test_business_hours(
    engine: Engine, asked: str, answered: str, minutes: float
) -> None:
    """Minutes are those of the office, also where clocks are changed."""
    tables = Tables(
        [thread("a", asked)], [said("a", asked, "contact"), said("a", answered, "Ann")]
    )
    sunday = BERLIN | {"(7, 0, 0)": "(7, 0, 24)"}
    for moments in ("TIMESTAMP", "TIMESTAMPTZ"):
        tables.moments = moments
        found = engine.values("first_response_business_hours", tables, changes=sunday)
        assert found == [("a", 1, 0, pytest.approx(minutes), pytest.approx(minutes))]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("moments", ["TIMESTAMP", "TIMESTAMPTZ"])
def test_waits_until_the_real_present(engine: Engine, moments: str, zone: str) -> None:
    """In any session, a wait lasts until the present moment."""
    engine.zone = zone
    tables = Tables([thread("a", "02 09:00")], moments=moments)
    tables.messages = [said("a", "02 09:00", "contact")]
    real = {"CURRENT_TIMESTAMP": "CURRENT_TIMESTAMP"}
    [row] = engine.find("waiting_now", tables, changes=real)
    begun = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    hours = (dt.datetime.now(dt.UTC) - begun) / dt.timedelta(hours=1)
    assert row["hours"] == pytest.approx(hours, abs=0.5)
    assert row["waiting_since"] == "2026-03-02 09:00:00"


def test_questions_of_the_real_future(engine: Engine) -> None:
    """A question that is dated in the future is in no week, and has not waited."""
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    real = {"CURRENT_TIMESTAMP": "CURRENT_TIMESTAMP"}
    tables = Tables([thread("a", "02 09:00")])
    tables.messages = [said("a", tomorrow.isoformat(), "contact")]
    engine.zone = "Asia/Tokyo"
    assert engine.find("first_response_by_week", tables, changes=real) == []
    [row] = engine.find("waiting_now", tables, changes=real)
    assert row["hours"] == 0
