"""Every documented query, on DuckDB and PostgreSQL, compared with the account.

An account is read three times in 30 hours. Its threads go into one table that is
updated, and one that only grows. Names change between the runs, and some IDs have none.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import itertools
import statistics
import typing as t

import pytest

from tests.demo.truth import NAMES, rows_of
from tests.fake_hubspot import Account, FakeHubSpot, Shape
from tests.support import readme
from tests.support.databases import EACH, Databases, close_to
from tests.support.harness import TOKEN, run_here, select, settings

if t.TYPE_CHECKING:
    from tests.support.meltano_project import Project, Row

pytestmark = pytest.mark.xdist_group("loaders")

SCHEMA = "queries"
HOURS_AGO = (30, 20, 1)
"""Hours before now at which the runs took place. Two sweeps are twelve hours apart."""


@dataclasses.dataclass
class Story:
    """What happened in the account, and what was loaded.

    Attributes:
        runs: When each run took place.
        seen: The threads that each run found.
        names: For each stream except `threads`, the last known name of each ID.
        answered: When the first response to a thread was really sent.
        databases: The tables that were loaded.
    """

    runs: list[dt.datetime]
    seen: list[list[Row]]
    names: dict[str, dict[str, str | None]]
    answered: dict[str, dt.datetime]
    databases: Databases

    @property
    def current(self) -> list[Row]:
        """The rows of a table that is updated, and from which nothing is deleted."""
        newest = {thread["id"]: thread for threads in self.seen for thread in threads}
        return list(newest.values())

    def name_of(self, stream: str, identity: str) -> str:
        """Return the name of an ID, or the ID if there is none."""
        return self.names[stream].get(identity) or identity

    @property
    def purged(self) -> list[list[str]]:
        """The threads that were purged before the second run, and before the third."""
        ids = [{thread["id"] for thread in threads} for threads in self.seen]
        return [sorted(a - b) for a, b in itertools.pairwise(ids)]

    def found(self, database: str, text: str, table: str) -> tuple[list[Row], float]:
        """Return the rows of the query that contains a text, and when it was run."""
        query = readme.block("sql", text).text.replace(
            "FROM threads", f"FROM {table} AS threads"
        )
        return self.databases.query(database, query)


@pytest.fixture(scope="module")
def story(
    installed: Project, postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Story:
    """Read an account three times, and load the rows."""
    present = dt.datetime.now(dt.UTC).replace(microsecond=0)
    runs = [present - dt.timedelta(hours=hours) for hours in HOURS_AGO]
    account = Account(
        size=300,
        seed=31,
        now=runs[0] - dt.timedelta(minutes=1),
        years=0.5,
        shape=Shape(silent=0.05),
    )
    asked = [
        account.create(createdAt=_text(runs[0] - dt.timedelta(minutes=minutes)))
        for minutes in range(10, 130, 10)
    ]
    account.create(originalChannelId="1010")  # a channel that is not listed
    account.directory.delete_inbox("1204")
    warehouse = tmp_path_factory.mktemp("queries") / "warehouse.duckdb"
    databases = Databases(installed, postgres, warehouse, SCHEMA)
    tables: dict[str, tuple[dict[str, t.Any], t.Any]] = {
        "updated": ({"emit_activate_version_messages": True}, None),
        "history": (readme.config("__key_properties__"), select()),
    }
    names: dict[str, dict[str, str | None]] = {stream: {} for stream in NAMES}
    states: dict[str, t.Any] = {}
    seen: list[list[Row]] = []
    answered: dict[str, dt.datetime] = {}
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        for number, run in enumerate(runs):
            if number:
                account.clock.set(run - dt.timedelta(hours=5))
                _live(account, asked, answered, number)
            account.clock.set(run)
            seen.append(list(account.threads()))
            for stream in NAMES:
                rows = rows_of(account, stream)
                names[stream] |= {row["id"]: row.get("name") for row in rows}
            messages: list[Row] = []
            for table, (config, catalog) in tables.items():
                output = run_here(
                    settings(hubspot.url, sweep_interval_hours=1e-6) | config,
                    state=states.get(table),
                    catalog=catalog,
                    began=round(run.timestamp() * 1000),
                )
                states[table] = output.states[-1]
                messages += [
                    _at(message, run, table)
                    for message in output.messages
                    if message["type"] != "STATE"
                ]
            databases.load(
                messages,
                duckdb={"primary_key_required": False},
                postgres={"load_method": "append-only"},
            )
    return Story(
        runs=runs,
        seen=seen,
        names=names,
        answered=answered,
        databases=databases,
    )


def _live(
    account: Account, asked: list[str], answered: dict[str, dt.datetime], number: int
) -> None:
    """Threads are created, answered, closed repeatedly, or purged."""
    account.create()
    for thread in asked[number * 4 - 4 : number * 4]:
        account.clock.advance(7 * 60)
        answered[thread] = account.clock.now
        account.message(thread, sent=True)
    account.clock.advance(30 * 60)
    account.message(thread, sent=True)
    account.message(asked[0], sent=False)
    account.close(asked[1])
    for _ in range(number):
        account.reopen(asked[1])
        account.close(asked[1])
    directory = account.directory
    directory.rename_inbox("481939", f"Office {number}")
    directory.remove_actor(f"A-{2_620_022 + 17 * number}")
    directory.rename_actor("A-2620073", f"Agent {number}")
    if number == 2:
        directory.delete_inbox("519204")
    for thread in set(account.live_ids()[number::60]).difference(asked):
        account.purge(thread)


def _at(message: Row, run: dt.datetime, table: str) -> Row:
    """Return a message as if the run had happened at another time.

    Threads go into a table with another name.
    """
    changes: Row = {}
    if "time_extracted" in message:
        changes["time_extracted"] = _text(run)
    if message["stream"] == "threads":
        changes["stream"] = table
    return message | changes


def _text(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(thread: Row, name: str) -> float | None:
    """Return when something happened to a thread, or None."""
    moment = thread.get(name)
    return dt.datetime.fromisoformat(moment).timestamp() if moment else None


@EACH
def test_open_threads_by_inbox_and_assignee(story: Story, database: str) -> None:
    """Open threads are counted by names of inbox and assignee, and none is left out."""
    found, _ = story.found(database, "AS assigned_to", "updated")
    counts = collections.Counter(
        (thread["inboxId"], thread.get("assignedTo"))
        for thread in story.current
        if thread["status"] == "OPEN" and not thread["archived"] and not thread["spam"]
    )
    expected = [
        {
            "inbox": story.name_of("inboxes", inbox),
            "assigned_to": story.name_of("actors", actor) if actor else "nobody",
            "threads": count,
        }
        for (inbox, actor), count in counts.items()
    ]

    def order(row: Row) -> tuple[str, int, str]:
        return row["inbox"], -row["threads"], row["assigned_to"]

    # The databases sort names differently, but all of them sort by inbox and count.
    assert sorted(found, key=order) == sorted(expected, key=order)
    assert [order(row)[:2] for row in found] == [
        order(row)[:2] for row in sorted(expected, key=order)
    ]
    shown = {row["inbox"] for row in found} | {row["assigned_to"] for row in found}
    # Renamed, deleted before the first run, deleted after it, and left the account.
    deleted = story.names["inboxes"]["519204"]
    assert shown >= {"Office 2", "1204", deleted, "Agent 2", "A-2620039", "nobody"}
    assert any(name.startswith("V-") for name in shown)


@EACH
def test_open_threads_by_inbox_and_age(story: Story, database: str) -> None:
    """Open threads are counted by age, and by who has to answer."""
    found, now = story.found(database, "AS open_threads", "updated")
    day = 86_400
    counts: dict[str, collections.Counter[str]] = {}
    for thread in story.current:
        if thread["status"] != "OPEN" or thread["archived"] or thread["spam"]:
            continue
        begun = seconds(thread, "createdAt")
        assert begun is not None
        age = now - begun
        counter = counts.setdefault(thread["inboxId"], collections.Counter())
        counter["open_threads"] += 1
        counter["under_a_day"] += age < day
        counter["under_a_week"] += day <= age < 7 * day
        counter["under_a_month"] += 7 * day <= age < 30 * day
        counter["older"] += 30 * day <= age
        sent = seconds(thread, "latestMessageSentTimestamp")
        received = seconds(thread, "latestMessageReceivedTimestamp")
        counter["waiting"] += received is not None and received > (sent or 0)
    expected: list[Row] = [
        {"inbox": story.name_of("inboxes", inbox)} | counts[inbox] for inbox in counts
    ]
    expected.sort(key=lambda row: (-row["open_threads"], row["inbox"]))
    assert found == expected
    for name in expected[0]:
        assert any(row[name] for row in expected), name


@EACH
def test_threads_per_channel_and_month(story: Story, database: str) -> None:
    """Threads are counted by channel and by month of creation."""
    found, _ = story.found(database, "AS begun_in", "updated")
    counts = collections.Counter(
        (
            f"{thread['createdAt'][:7]}-01",
            story.name_of("channels", thread["originalChannelId"]),
        )
        for thread in story.current
    )
    assert len(counts) > 10
    assert {"EMAIL", "1010"} <= {channel for _, channel in counts}
    assert found == [
        {"channel": channel, "begun_in": month, "threads": count}
        for (month, channel), count in sorted(counts.items())
    ]


@EACH
def test_first_response_of_one_row(story: Story, database: str) -> None:
    """Who is waiting and for how long at most, and how soon others were answered."""
    found, now = story.found(database, "AS median_hours_at_most", "updated")
    waits: dict[str, list[float]] = collections.defaultdict(list)
    bounds: dict[str, list[float]] = collections.defaultdict(list)
    for thread in story.current:
        if thread["archived"] or thread["spam"]:
            continue
        begun = seconds(thread, "createdAt")
        sent = seconds(thread, "latestMessageSentTimestamp")
        if begun is None or not thread.get("latestMessageReceivedTimestamp"):
            continue
        if sent is None:
            waits[thread["inboxId"]].append((now - begun) / 3600)
        else:
            bounds[thread["inboxId"]].append((sent - begun) / 3600)
    assert waits
    assert bounds
    assert found == close_to(
        [
            {
                "inbox": story.name_of("inboxes", inbox),
                "unanswered": len(waits[inbox]),
                "longest_wait_hours": max(waits[inbox], default=None),
                "answered": len(bounds[inbox]),
                "median_hours_at_most": statistics.median(bounds[inbox])
                if bounds[inbox]
                else None,
            }
            for inbox in sorted(
                {*waits, *bounds}, key=lambda inbox: story.name_of("inboxes", inbox)
            )
        ]
    )


@EACH
def test_first_response_of_a_history(story: Story, database: str) -> None:
    """The first response lies within the bounds, and the bounds come from two runs."""
    found, _ = story.found(database, "AS minutes_at_least", "history")
    unanswered: dict[str, float] = {}
    sent: dict[str, float] = {}
    begun: dict[str, float] = {}
    for run, threads in zip(story.runs, story.seen, strict=True):
        for thread in threads:
            begun.setdefault(thread["id"], seconds(thread, "createdAt") or 0)
            first = seconds(thread, "latestMessageSentTimestamp")
            if first is not None:
                sent.setdefault(thread["id"], first)
            elif thread.get("latestMessageReceivedTimestamp"):
                unanswered[thread["id"]] = run.timestamp()
    assert found == close_to(
        [
            {
                "id": thread,
                "minutes_at_least": (unanswered[thread] - begun[thread]) / 60,
                "minutes_at_most": (sent[thread] - begun[thread]) / 60,
            }
            for thread in sorted(sent.keys() & unanswered.keys())
        ]
    )
    assert {row["id"] for row in found} >= story.answered.keys()
    for row in found:
        if row["id"] in story.answered:
            truth = (story.answered[row["id"]].timestamp() - begun[row["id"]]) / 60
            assert row["minutes_at_least"] < truth < row["minutes_at_most"] + 0.001


@EACH
def test_only_what_has_no_key_is_appended(story: Story, database: str) -> None:
    """Without a key, each run adds rows. With a key, rows are updated."""
    counts = (f"SELECT COUNT(*) AS n FROM {SCHEMA}.{t}" for t in ("updated", "history"))
    [[updated], [history]] = story.databases.select(database, *counts)
    assert updated["n"] == len(story.current)
    assert history["n"] == sum(map(len, story.seen)) > 2 * updated["n"]


@EACH
def test_newest_row_of_each_thread(story: Story, database: str) -> None:
    """The query returns the row of each thread that was extracted last."""
    found, _ = story.found(database, "ROW_NUMBER", "history")
    folded = [{name.lower(): value for name, value in row.items()} for row in found]
    facts = ("id", "status", "assignedTo", "archived", "inboxId")
    assert sorted([row[name.lower()] for name in facts] for row in folded) == sorted(
        [thread.get(name) for name in facts] for thread in story.current
    )
    last = {thread["id"]: n for n, seen in enumerate(story.seen) for thread in seen}
    for row in folded:
        moment = dt.datetime.fromisoformat(row["_sdc_extracted_at"])
        assert moment.replace(tzinfo=dt.UTC) == story.runs[last[row["id"]]]


@EACH
def test_purged_threads_that_are_marked(story: Story, database: str) -> None:
    """PostgreSQL marks every thread that a sweep did not find; DuckDB marks none."""
    found, _ = story.found(database, "AS noticed_at", "updated")
    purged = sorted(thread for threads in story.purged for thread in threads)
    assert len(purged) > 5
    assert [row["id"] for row in found] == (purged if database == "postgres" else [])
    assert all(row["noticed_at"] for row in found)
    inboxes = {thread["id"]: thread["inboxId"] for thread in story.current}
    for row in found:
        assert row["inbox"] == story.name_of("inboxes", inboxes[row["id"]])


@EACH
@pytest.mark.parametrize("table", ["updated", "history"])
def test_purged_threads_by_age(story: Story, database: str, table: str) -> None:
    """Only threads not extracted in the day before the last run are returned."""
    found, _ = story.found(database, "AS last_seen", table)
    # The second run, which still extracted the others, is less than a day ago.
    assert [row["id"] for row in found] == story.purged[0]
    for row in found:
        moment = dt.datetime.fromisoformat(row["last_seen"]).replace(tzinfo=dt.UTC)
        assert moment == story.runs[0]


def test_every_query_is_tested() -> None:
    """These tests cover every query, except for three files' own.

    test_messages_loaded.py has what deletes rows; test_metrics.py and
    test_metrics_edges.py have the views.
    """
    tested = (
        "search_path",
        "AS assigned_to",
        "AS open_threads",
        "AS begun_in",
        "DELETE FROM messages",
        "DELETE FROM threads",
        "CREATE TEMPORARY VIEW threads",
        "CREATE TEMPORARY VIEW messages",
        "CREATE TEMPORARY VIEW actors",
        "AS median_hours_at_most",
        "AS minutes_at_least",
        "ROW_NUMBER",
        "AS noticed_at",
        "AS last_seen",
    )
    assert {readme.block("sql", text) for text in tested} == {
        block for block in readme.BLOCKS if block.language == "sql"
    }
