"""A run resumes from the state that any earlier version has written.

The states are in ``tests/states``, whose README says how each was recorded.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import typing as t

import pytest

from tap_hubspot_threads import timestamps
from tests.demo.truth import FIELDS_OF_ALL, differences, key_of, rows_of, written
from tests.fake_hubspot import FakeHubSpot
from tests.states import record
from tests.support.harness import run_command_here, run_here, select, settings

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.fake_hubspot import Account, SeenRequest
    from tests.support.harness import Message, Output, Row

    Tables: t.TypeAlias = dict[str, dict[str, Row]]

RECORDED: dict[str, dict[str, t.Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(record.HERE.glob("[0-9]*.json"))
}
NEWEST = max(kept["format"] for kept in RECORDED.values())
HOUR = 3_600_000
EVERYTHING = tuple(FIELDS_OF_ALL)

every_state = pytest.mark.parametrize("name", RECORDED)


def of_inboxes(kept: dict[str, t.Any], rows: list[Row]) -> list[Row]:
    """Return the threads that a run extracts."""
    chosen = {str(inbox) for inbox in kept["settings"].get("inbox_ids", ())}
    return [row for row in rows if not chosen or row["inboxId"] in chosen]


def truth(account: Account, kept: dict[str, t.Any], stream: str) -> list[Row]:
    """Return the rows of a stream that a run extracts."""
    threads = of_inboxes(kept, list(account.threads()))
    if stream == "threads":
        return threads
    if stream == "messages":
        return [row for thread in threads for row in account.history(thread["id"])]
    return rows_of(account, stream, messages="messages" in kept["streams"])


def loaded_before(kept: dict[str, t.Any]) -> Tables:
    """Return what the first run left in the warehouse, up to its last STATE."""
    account = record.account()
    tables: Tables = {stream: {} for stream in EVERYTHING}
    for stream, ids in kept["written"].items():
        of_a_thread = stream == "messages"
        for row in truth(account, kept, stream):
            if row["conversationsThreadId" if of_a_thread else "id"] in ids:
                tables[stream][key_of(row)] = written(row, stream)
    return tables


def load(
    tables: Tables, messages: list[Message], versions: dict[str, int] | None = None
) -> None:
    """Load messages as an upserting target does, ACTIVATE_VERSION included."""
    version_of = {
        (stream, key): (versions or {}).get(stream, 0)
        for stream, table in tables.items()
        for key in table
    }
    for message in messages:
        if message["type"] == "RECORD":
            stream, key = message["stream"], key_of(message["record"])
            tables[stream][key] = message["record"]
            version_of[stream, key] = message.get("version", 0)
        elif message["type"] == "ACTIVATE_VERSION":
            stream = message["stream"]
            for key in list(tables[stream]):
                if version_of[stream, key] != message["version"]:
                    del tables[stream][key]


def what_is_missing(
    account: Account, kept: dict[str, t.Any], streams: t.Iterable[str], tables: Tables
) -> list[str]:
    """Describe each difference between the warehouse and the account."""
    found: list[str] = []
    for stream in streams:
        rows = truth(account, kept, stream)
        if stream == "actors" and kept["settings"].get("inbox_ids"):
            rows = [row for row in rows if row["id"] in tables["actors"]]
            threads = truth(account, kept, "threads")
            assigned = {row.get("assignedTo", "V-") for row in threads}
            found += sorted(
                f"actor {identity} is missing"
                for identity in assigned - tables["actors"].keys()
                if identity[0] not in "EV"
            )
        found += differences(rows, tables[stream].values(), stream)
    return found


def an_hour_later() -> tuple[Account, set[str]]:
    """Return the account after an hour, and the threads with a new message."""
    account = record.account()
    account.clock.advance(hours=1)
    rows = [row for row in account.threads() if not row["archived"]]
    changed = {account.create(assignedTo="A-2620022")}
    for inbox in ("481939", "519204"):
        changed.add(next(row["id"] for row in rows if row["inboxId"] == inbox))
        account.message(max(changed & {row["id"] for row in rows}))
    for thread in changed:
        account.message(thread)
    return account, changed


def run_again(
    kept: dict[str, t.Any],
    account: Account,
    streams: tuple[str, ...],
    *,
    hours: int = 1,
) -> tuple[Output, list[SeenRequest]]:
    """Run the present tap from a state, some hours after the first run."""
    with FakeHubSpot(account, token=record.TOKEN) as hubspot:
        config = record.SETTINGS | kept["settings"] | {"api_url": hubspot.url}
        output = run_here(
            config,
            state=kept["state"],
            catalog=select(streams=streams),
            began=record.BEGAN + hours * HOUR,
        )
        return output, list(hubspot.requests)


def entries(kept: dict[str, t.Any], stream: str) -> dict[str | None, dict[str, t.Any]]:
    """Return the state of each inbox, or of None for all."""
    state = kept["state"]["bookmarks"].get(stream, {})
    if "partitions" in state:
        return {part["context"]["inboxId"]: part for part in state["partitions"]}
    return {None: state}


def listings(requests: list[SeenRequest], inbox: str | None) -> list[SeenRequest]:
    """Return the requests that list the threads of an inbox."""
    return [
        request
        for request in requests
        if request.endpoint == "threads" and request.param("inboxId") == inbox
    ]


@every_state
def test_a_run_resumes_where_an_earlier_version_stopped(name: str) -> None:
    """No row is missing, and nothing is read that the state says has been read."""
    kept = RECORDED[name]
    streams = tuple(kept["streams"])
    account, changed = an_hour_later()
    output, requests = run_again(kept, account, streams)
    tables = loaded_before(kept)
    load(tables, output.messages)
    assert what_is_missing(account, kept, streams, tables) == []

    extracted = {row["id"] for row in truth(account, kept, "threads")}
    incremental = [name for name in streams if name in {"threads", "messages"}]
    for inbox in entries(kept, "threads"):
        states = [entries(kept, stream)[inbox] for stream in incremental]
        overlaps = [
            timestamps.shift(entry["replication_key_value"], milliseconds=-300_001)
            for entry in states
        ]
        listed = listings(requests, inbox)
        bounds = [r.param("latestMessageTimestampAfter") for r in listed]
        assert set(overlaps) <= set(bounds)
        assert min(filter(None, bounds)) == min(overlaps)
        sweeps = [r for r in listed if r.param("sort") == "id"]
        assert bool(sweeps) is not all("sweep_began_at" in entry for entry in states)
        if not sweeps:
            assert len(listed) == len(incremental)
    records = [m["record"] for m in output.messages if m["type"] == "RECORD"]
    histories = {r.thread_id for r in requests if r.endpoint == "messages"}
    if kept["case"] != "interrupted" and kept["format"] > 1:
        # Beside what has changed, the last thread before is in the overlap.
        ids = {row["id"] for row in records if "status" in row and "inboxId" in row}
        wanted = changed & extracted
        assert wanted <= ids
        assert len(ids - wanted) <= 2
        if "messages" in streams:
            assert wanted <= histories
            assert len(histories - wanted) <= 2


@every_state
def test_a_run_with_all_streams_completes_what_an_earlier_version_left(
    name: str,
) -> None:
    """Streams that are new since then are read as a whole, with all their actors."""
    kept = RECORDED[name] | {"streams": EVERYTHING}
    account, _ = an_hour_later()
    output, _ = run_again(kept, account, EVERYTHING)
    tables = loaded_before(kept)
    load(tables, output.messages)
    assert what_is_missing(account, kept, EVERYTHING, tables) == []


@every_state
def test_the_state_that_follows_has_the_present_form(name: str) -> None:
    """After one run with a sweep, nothing in the state tells which version began it."""
    kept = RECORDED[name] | {"streams": EVERYTHING}
    account, _ = an_hour_later()
    account.clock.advance(hours=12)
    output, _ = run_again(kept, account, EVERYTHING, hours=13)
    [same] = [
        newest
        for newest in RECORDED.values()
        if newest["format"] == NEWEST
        and newest["case"] == kept["case"].replace("interrupted", "complete")
    ]
    assert form(output.states[-1]) == form(same["state"])


@pytest.mark.parametrize(
    "name", [name for name in RECORDED if name.endswith("-versions")]
)
def test_versions_go_on_from_those_of_an_earlier_version(name: str) -> None:
    """Rows between sweeps carry its version, and a later sweep deletes what is gone."""
    kept = RECORDED[name]
    [version] = kept["versions"]
    streams = tuple(kept["streams"])
    account, _ = an_hour_later()
    output, _ = run_again(kept, account, streams)
    found = [m for m in output.messages if m.get("stream") == "threads"]
    assert {m["version"] for m in found if m["type"] == "RECORD"} == {version}
    assert "ACTIVATE_VERSION" not in {m["type"] for m in found}

    account.clock.advance(hours=12)
    gone, silent = sorted(kept["written"]["threads"])[:2]
    account.purge(gone)
    account.mark_spam(silent)
    tables = loaded_before(kept)
    later, _ = run_again(kept, account, streams, hours=13)
    activated = [m for m in later.messages if m["type"] == "ACTIVATE_VERSION"]
    assert all(m["version"] > version for m in activated)
    assert {m["stream"] for m in activated} == set(streams) - {"actors", "messages"}
    assert gone in tables["threads"]
    load(tables, later.messages, dict.fromkeys(streams, version))
    assert gone not in tables["threads"]
    exact = [stream for stream in streams if stream not in {"actors", "messages"}]
    assert what_is_missing(account, kept, exact, tables) == []


# The form of the state.


def form(value: t.Any) -> t.Any:
    """Return what is the same in each state of a form: all but moments and numbers."""
    if isinstance(value, dict):
        return {key: form(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [form(each) for each in value]
    if isinstance(value, str):
        try:
            dt.datetime.fromisoformat(value)
        except ValueError:
            return value
        # All moments have the same form, which can be compared as text.
        return f"a moment of {len(value)} characters that ends in {value[-1]}"
    return type(value).__name__


@functools.cache
def written_today(case: str) -> t.Any:
    """Return the state that the present tap writes."""
    return record.summary(record.first_run(case), NEWEST, case)["state"]


@pytest.mark.parametrize("case", record.CASES)
def test_the_newest_recorded_states_are_those_of_today(case: str) -> None:
    """A state with a new form must be recorded, so that later versions are tested.

    Do not record over the newest: write those with the next number, as the README in
    ``tests/states`` says.
    """
    assert form(written_today(case)) == form(RECORDED[f"{NEWEST}-{case}"]["state"])


def test_each_format_is_recorded_and_explained() -> None:
    """The README has a section for each number, and the account is that of the rows."""
    page = (record.HERE / "README.md").read_text(encoding="utf-8")
    formats = {kept["format"] for kept in RECORDED.values()}
    assert formats == set(range(1, NEWEST + 1))
    for number in formats:
        assert f"\n| {number} | " in page
    complete = RECORDED[f"{NEWEST}-complete"]
    ids = {row["id"] for row in record.ROWS}
    assert set(complete["written"]["threads"]) == ids


# What is not a state of this tap.


@pytest.mark.parametrize(
    ("state", "warning"),
    [
        ({"bookmarks": {"deals": {"replication_key_value": "2025-01-01"}}}, None),
        (
            {
                "bookmarks": {
                    "threads": {
                        "replication_key": "updatedAt",
                        "replication_key_value": "2025-12-31T00:00:00.000Z",
                    }
                }
            },
            None,
        ),
        (
            {"currently_syncing": "threads", "threads": "2025-12-31"},
            "Ignoring the state: it has no `bookmarks`",
        ),
        (
            {"bookmarks": {"threads": {"partitions": [{"no": "context"}]}}},
            "Ignoring the state of `threads`: it is malformed",
        ),
        (
            {"bookmarks": {"threads": {"replication_key_value": "yesterday"}}},
            "Ignoring the bookmark in the state: not a date-time",
        ),
        (
            {"bookmarks": {"threads": {"replication_key_value": "2999-01-01"}}},
            "Ignoring the bookmark in the state: in the future",
        ),
    ],
    ids=[
        "another tap",
        "another key",
        "no bookmarks",
        "malformed",
        "no date",
        "future",
    ],
)
def test_a_state_of_another_tap_is_like_none(
    state: dict[str, t.Any], warning: str | None, tmp_path: Path
) -> None:
    """Everything is read, and a warning says which part could not be used."""
    account = record.account()
    with FakeHubSpot(account, token=record.TOKEN) as hubspot:
        config = settings(hubspot.url, sweep_interval_hours=12)
        output = run_command_here(tmp_path, config, state=state)
    assert output.code == 0
    assert output.errors == []
    assert output.warnings == [warning] * (warning is not None)
    assert list(differences(account.threads(), output.records)) == []
