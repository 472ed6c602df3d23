"""The table `messages` in DuckDB and PostgreSQL equals the account."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import math
import re
import time
import typing as t

import pytest
import yaml

from tap_hubspot_threads import schemas
from tests.demo.truth import (
    FIELDS_OF,
    MESSAGE_FIELDS,
    differences,
    key_of,
    rows_of,
    without_empty,
    written,
)
from tests.fake_hubspot import Account, FakeHubSpot, Shape
from tests.support import readme
from tests.support.databases import Databases
from tests.support.duckdb_file import in_duckdb
from tests.support.harness import TOKEN, Output, run_here, settings
from tests.support.meltano_project import in_postgres

if t.TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.meltano_project import Project, Row

pytestmark = pytest.mark.xdist_group("loaders")

SHAPE = Shape.awkward(tie_size=20)
OVERLAP = dt.timedelta(minutes=5)
"""The default of `lookback_seconds`, and how long HubSpot's index may lag."""


class Tables(Databases):
    """The tables of a schema in both databases."""

    def differences(self, expected: list[Row]) -> list[str]:
        """Describe how the messages differ from those of the account."""
        in_file = in_duckdb(self.warehouse, self.schema, "messages")
        in_database = in_postgres(self.postgres, self.schema, "messages")
        return [
            *differences(without_empty(expected), in_file, "messages"),
            *differences(expected, in_database, "messages"),
        ]


def written_by(output: Output) -> list[Row]:
    """Return the messages in the output of a run."""
    return [
        message["record"]
        for message in output.messages
        if message["type"] == "RECORD" and message["stream"] == "messages"
    ]


def pages(account: Account, threads: Iterable[str]) -> int:
    """Return how many requests the histories of some threads take.

    An empty one is asked for in both ways.
    """
    return sum(math.ceil(len(account.history(i)) / 100) or 2 for i in threads)


def moment(text: str | None) -> dt.datetime:
    """Return a date-time, or the earliest one if there is none."""
    return dt.datetime.fromisoformat(text or "0001-01-01T00:00:00Z")


def changed(account: Account, state: Row) -> set[str]:
    """Return the live threads that HubSpot lists from the bookmark less the overlap."""
    begin = moment(state["bookmarks"]["messages"]["replication_key_value"]) - OVERLAP
    return {i for i, place in account.places().items() if moment(place) >= begin}


def maybe_changed(account: Account, last_sweep: dt.datetime) -> set[str]:
    """Return the threads in which something may have happened without a message."""
    begin = last_sweep.replace(microsecond=0) - OVERLAP
    return {
        thread["id"]
        for thread in account.threads()
        if thread["status"] != "CLOSED"
        or moment(thread.get("closedAt")) >= begin
        or moment(thread.get("latestMessageTimestamp")) >= begin
    }


@pytest.mark.parametrize(
    "size", [400, pytest.param(20_000, marks=pytest.mark.nightly)], ids=str
)
def test_messages_are_those_of_the_account(
    project: Project, postgres: str, tmp_path: Path, report: list[str], size: int
) -> None:
    """Both tables hold every message after each of three runs, field by field.

    The second run follows new messages. The third one has a sweep and follows closings
    without a message. Each run requests exactly the histories that have to be read.
    """
    account = Account(size=size, seed=51, shape=SHAPE)
    tables = Tables(project, postgres, tmp_path / "file.duckdb", f"messages_{size}")
    states: list[Row] = []
    histories: dict[str, list[Row]] = {}  # also of threads that are purged meanwhile

    def run(title: str, threads: set[str], hours: float = 12) -> None:
        config = settings(
            hubspot.url, include_messages=True, sweep_interval_hours=hours
        )
        hubspot.forget()
        times = [time.perf_counter()]
        state = states[-1] if states else None
        output = run_here(config, state=state, catalog=None)
        states.append(output.states[-1])
        times.append(time.perf_counter())
        tables.load(output.messages)
        times.append(time.perf_counter())
        sent = hubspot.requests_by_endpoint
        report.append(
            f"{title}: {times[1] - times[0]:.1f} s for {len(written_by(output)):,} "
            f"messages with {sent['messages']:,} requests, and {sent['threads']:,} for "
            f"threads; {times[2] - times[1]:.1f} s to load"
        )
        assert sent["messages"] == pages(account, threads)
        for thread in account.threads():
            histories[thread["id"]] = account.history(thread["id"])
        rows = itertools.chain.from_iterable(histories.values())
        assert tables.differences(list(rows)) == []

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = account.clock.now
        run(f"{size:,} threads", {thread["id"] for thread in account.threads()})

        account.clock.advance(hours=1)
        count = size * 300 // 20_000
        for number, thread in enumerate(account.live_ids()[:: size // count][:count]):
            account.comment(thread)
            if number % 3:
                account.message(thread, sent=number % 2 == 0)
            else:
                account.late_mail(thread, 5)
        account.message(account.create(), sent=True)
        run(f"{count:,} threads with new messages", changed(account, states[-1]))

        account.clock.advance(hours=1)
        count = size * 500 // 20_000
        live = map(account.thread, account.live_ids())
        silent = [thread["id"] for thread in live if thread["status"] == "OPEN"]
        for thread in silent[:count]:
            account.close(thread)
        account.assign(silent[count], "A-2620022")
        account.comment(silent[count + 1])
        threads = changed(account, states[-1]) | maybe_changed(account, first)
        threads |= set(account.archived_ids())  # the first two sweeps read the trash
        run(f"{count:,} closings and a sweep", threads, hours=1e-6)
        assert len(threads) < 0.6 * size


@pytest.mark.parametrize("versions", [False, True])
def test_messages_of_purged_threads_are_deleted(
    project: Project, postgres: str, tmp_path: Path, *, versions: bool
) -> None:
    """After the documented statements, both tables equal the account.

    With ACTIVATE_VERSION, PostgreSQL needs only the first one.
    """
    account = Account(size=120, seed=52, shape=SHAPE)
    schema = f"purged_{versions}".lower()
    tables = Tables(project, postgres, tmp_path / "file.duckdb", schema)
    choose = readme.block("sql", "search_path").text.replace("hubspot", schema)
    of_messages = readme.block("sql", "DELETE FROM messages").text
    of_threads = readme.block("sql", "DELETE FROM threads").text
    present = dt.datetime.now(dt.UTC)
    state: Row | None = None
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(
            hubspot.url,
            include_messages=True,
            sweep_interval_hours=1e-6,
            emit_activate_version_messages=versions,
        )
        for hours in (30, 0):
            if state:
                account.clock.advance(hours=1)
                for thread in account.live_ids()[::10]:
                    account.purge(thread)
            output = run_here(config, state=state, catalog=None)
            state = output.states[-1]
            extracted = (present - dt.timedelta(hours=hours)).isoformat()
            tables.load(
                [
                    message | {"time_extracted": extracted}
                    if "time_extracted" in message
                    else message
                    for message in output.messages
                ]
            )
    truth = rows_of(account, "messages")
    assert all(" is not in the account" in line for line in tables.differences(truth))
    assert tables.differences(truth)
    tables.execute_in_postgres(choose, *[of_threads] * (not versions), of_messages)
    tables.execute_in_duckdb(choose, of_threads, of_messages)
    assert tables.differences(truth) == []


def test_fields_are_those_of_the_documentation() -> None:
    """`How it works` lists every field of messages with its type."""
    page = readme.PAGES["docs/how-it-works.md"]
    table = page.split("| Field of `messages` | Type | |", 1)[1].split("\n\n", 1)[0]
    told = {
        name: kind
        for names, kind in re.findall(r"^\| ([^|]+) \| (\S+) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    fields = schemas.MESSAGE["properties"]
    assert set(MESSAGE_FIELDS) == fields.keys()
    assert told == {
        name: field.get("format") or next(x for x in field["type"] if x != "null")
        if isinstance(field["type"], list)
        else field["type"]
        for name, field in fields.items()
    }


def read(account: Account, **config: t.Any) -> list[Row]:
    """Return the messages that a first run writes."""
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        every = {"include_messages": True, "sweep_interval_hours": 12}
        output = run_here(settings(hubspot.url, **every | config), catalog=None)
    return written_by(output)


def test_the_map_for_privacy_leaves_nobody() -> None:
    """With the documented map, messages contain no name, no address and no word."""
    example = json.loads(readme.block("json", "originalRichText").text)
    mapped = example["stream_maps"]["messages"]
    [extra] = re.findall(r'`"author": "(.+)"`', readme.PAGES["docs/privacy.md"])
    mapped["author"] = extra
    salt = example["stream_map_config"]["salt"]
    account = Account(size=60, seed=53, shape=SHAPE)
    truth = [written(row, "messages") for row in rows_of(account, "messages")]
    found = read(account, **example, include_original_content=True)
    assert "canary" in json.dumps(truth).lower()
    assert "canary" not in json.dumps(found).lower()

    def pseudonym(value: str | None) -> str | None:
        return hashlib.sha256((salt + value).encode()).hexdigest() if value else None

    hashed = ("createdBy", "assignedFrom", "assignedTo", "text")
    expected = [
        {name: row[name] for name in MESSAGE_FIELDS if name not in mapped}
        | {name: pseudonym(row[name]) for name in hashed}
        | {"statusType": (row["status"] or {}).get("statusType")}
        | {"author": row["createdBy"] and row["createdBy"][0]}
        for row in truth
    ]
    assert sorted(found, key=key_of) == sorted(expected, key=key_of)
    assert {"A", "V"} <= {row["author"] for row in found}


def test_what_messages_keep_without_words(project: Project) -> None:
    """The documented rules leave out what people wrote, and keep everything else."""
    rules = yaml.safe_load(readme.block("yaml", "!messages.text").text)["select"]
    done = project.meltano(
        "invoke",
        "--dump=catalog",
        "tap-hubspot-threads",
        TAP_HUBSPOT_THREADS_ACCESS_TOKEN=TOKEN,
        TAP_HUBSPOT_THREADS_INCLUDE_MESSAGES="true",
        TAP_HUBSPOT_THREADS__SELECT=json.dumps(rules),
    )
    assert done.returncode == 0, done.stdout
    catalog = json.loads(done.stdout[done.stdout.index("{") :])
    account = Account(size=60, seed=54)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, include_messages=True, sweep_interval_hours=12)
        output = run_here(config, catalog=catalog)
    left_out = {rule.removeprefix("!messages.") for rule in rules if rule[0] == "!"}
    expected = set(MESSAGE_FIELDS) - left_out
    assert len(expected) == len(MESSAGE_FIELDS) - len(rules) + 1
    assert {frozenset(row) for row in written_by(output)} == {frozenset(expected)}
    streams = {m["stream"] for m in output.messages if m["type"] == "RECORD"}
    assert streams == {*FIELDS_OF, "messages"}
