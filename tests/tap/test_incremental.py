"""The incremental run: what it requests, what it writes, and where it continues."""

from __future__ import annotations

import random
import signal
import typing as t

import pytest

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.output import PageWriter
from tests.fake_hubspot import Account, Contract, FakeHubSpot, Shape
from tests.support.harness import (
    TOKEN,
    Output,
    by_id,
    run_here,
    run_tap,
    select,
    settings,
    start_tap,
    written,
)

if t.TYPE_CHECKING:
    from pathlib import Path

BOUND = "latestMessageTimestampAfter"


def truth(account: Account) -> dict[str, dict[str, t.Any]]:
    """Return what the tap should have written for an account."""
    return {row["id"]: written(row) for row in account.threads()}


def state_at(moment: str, **more: t.Any) -> dict[str, t.Any]:
    """Return a state whose bookmark is at a moment."""
    bookmark = {
        "replication_key": "latestMessageTimestamp",
        "replication_key_value": moment,
    }
    return {"bookmarks": {"threads": bookmark | more}}


def newest(account: Account) -> str:
    """Return the account's latest timestamp."""
    return max(str(row["latestMessageTimestamp"]) for row in account.threads())


def test_an_awkward_account_arrives_field_by_field(tmp_path: Path) -> None:
    """With every awkward switch on, the command writes what the account holds."""
    account = Account(size=20_000, shape=Shape.awkward(archived=0, silent=0))
    with FakeHubSpot(account, Contract.awkward(), token=TOKEN) as hubspot:
        output = run_tap(tmp_path, settings(hubspot.url))
    assert output.code == 0, output.stderr
    assert by_id(output.records) == truth(account)


def test_the_first_run_asks_for_everything_in_timestamp_order() -> None:
    """Sort and bound are sent together, from the epoch on, with the largest page."""
    with FakeHubSpot(Account(size=10), token=TOKEN) as hubspot:
        run_here(settings(hubspot.url))
        (request,) = hubspot.requests
    assert dict(request.params) == {
        "sort": "latestMessageTimestamp",
        BOUND: "1970-01-01T00:00:00.000Z",
        "association": "TICKET",
        "limit": "500",
    }


def test_the_second_run_brings_the_overlap_and_what_changed() -> None:
    """Nothing older than the bookmark minus the lookback is read again."""
    account = Account(size=5_000)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run_here(settings(hubspot.url))
        reached = first.bookmark["replication_key_value"]
        assert reached == newest(account)
        account.clock.advance(hours=1)
        changed = set(random.Random(1).sample(account.live_ids(), 50))
        for thread in changed:
            account.message(thread)
        hubspot.forget()
        second = run_here(settings(hubspot.url), state=first.states[-1])
        (request,) = hubspot.requests
    start = timestamps.shift(reached, milliseconds=-300_000)
    assert request.param(BOUND) == timestamps.shift(start, milliseconds=-1)
    overlap = {
        row["id"]
        for row in first.records
        if row["latestMessageTimestamp"] >= start and row["id"] not in changed
    }
    assert {row["id"] for row in second.records} == changed | overlap
    assert by_id(first.records + second.records) == truth(account)


@pytest.mark.parametrize("inclusive", [True, False])
def test_threads_at_the_bookmark_itself_are_read_again(inclusive: bool) -> None:
    """Without an overlap, ties are not lost, whether or not the bound is inclusive."""
    account = Account(size=300, shape=Shape(tied=1.0, tie_size=300))
    (moment,) = {row["latestMessageTimestamp"] for row in account.threads()}
    with FakeHubSpot(account, Contract(inclusive=inclusive), token=TOKEN) as hubspot:
        config = settings(hubspot.url, lookback_seconds=0)
        output = run_here(config, state=state_at(moment))
    assert len(output.records) == 300


def test_state_is_written_after_every_page() -> None:
    """After the records of a page, there is a STATE that covers them."""
    with FakeHubSpot(Account(size=500), token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url, page_size=50))
    rows_between, count = [], 0
    for message in output.messages:
        if message["type"] == "RECORD":
            count += 1
        elif message["type"] == "STATE":
            rows_between.append(count)
            count = 0
    assert rows_between[:10] == [50] * 10


def test_a_state_covers_only_what_was_written_before_it() -> None:
    """At every STATE, all threads older than its bookmark have been written."""
    account = Account(size=1_000, shape=Shape(tied=0.3, tie_size=80))
    contract = Contract(short_pages=True, empty_every=3)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url, page_size=60))
    assert_states_are_honest(output, account)
    assert len(output.states) > 10


def assert_states_are_honest(
    output: Output, account: Account, *, disorder: int = 0
) -> None:
    """Check each STATE against the records before it.

    Rows can be out of order by some milliseconds, which the overlap covers.
    """
    rows = truth(account)
    seen: set[str] = set()
    states = 0
    for message in output.messages:
        if message["type"] == "RECORD":
            seen.add(message["record"]["id"])
        elif message["type"] == "STATE":
            value = message["value"]["bookmarks"]["threads"].get(
                "replication_key_value", ""
            )
            states += bool(value)
            value = value and timestamps.shift(value, milliseconds=-disorder)
            below = {i for i, r in rows.items() if r["latestMessageTimestamp"] < value}
            assert below <= seen
    assert states


def test_a_run_that_finds_nothing_writes_state() -> None:
    """A run without rows also ends with a STATE for the orchestrator."""
    with FakeHubSpot(Account(size=0), token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url))
        again = run_here(settings(hubspot.url), state=output.states[-1])
    assert output.records == again.records == []
    assert output.states
    assert again.states


def test_the_bookmark_never_decreases() -> None:
    """Rows of the overlap are older than the bookmark and do not move it."""
    account = Account(size=500)
    moment = newest(account)
    ahead = timestamps.shift(moment, milliseconds=60_000)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, lookback_seconds=10**8)
        output = run_here(config, state=state_at(ahead))
    assert len(output.records) > 400
    values = [s["bookmarks"]["threads"]["replication_key_value"] for s in output.states]
    assert set(values) == {ahead}


def test_the_bookmark_stops_at_the_moment_the_run_began() -> None:
    """A message from the future does not hide earlier ones."""
    account = Account(size=20)
    (thread,) = account.live_ids()[:1]
    account.message(thread, at="2100-01-01T00:00:00.000Z")
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url))
    assert output.bookmark["replication_key_value"] < "2100"
    assert thread in by_id(output.records)


@pytest.mark.parametrize(
    "state",
    [
        state_at("2099-01-01T00:00:00.000Z"),
        state_at("not a moment"),
        state_at(""),
        {"bookmarks": {"threads": {"replication_key_value": 17}}},
        {"bookmarks": {"threads": {"replication_key": "createdAt"}}},
        {"bookmarks": {"threads": {"progress_markers": "Note"}}},
        {"bookmarks": {"threads": ["a list"]}},
        {"bookmarks": {"threads": {"partitions": [{"no": "context"}, 3]}}},
        {"bookmarks": []},
        {"bookmarks": None},
        {"something": "else"},
    ],
    ids=str,
)
def test_a_state_that_cannot_be_used_begins_at_the_beginning(state: t.Any) -> None:
    """A state of another version, or edited by hand, costs time, but no threads."""
    account = Account(size=40)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url), state=state)
    assert by_id(output.records) == truth(account)
    assert output.bookmark["replication_key_value"] == newest(account)


def test_neighbors_the_wrong_way_round_change_nothing(tmp_path: Path) -> None:
    """The bookmark allows for them, and the log does not mention them."""
    account = Account(size=600)
    with FakeHubSpot(account, Contract(swapped=0.4), token=TOKEN) as hubspot:
        output = run_tap(tmp_path, settings(hubspot.url, page_size=100))
    assert output.code == 0
    assert by_id(output.records) == truth(account)
    assert output.warnings == []
    assert output.bookmark["replication_key_value"] == newest(account)
    assert_states_are_honest(output, account, disorder=300_000)


def test_a_start_date_leaves_out_older_threads() -> None:
    """The bound is the start date; a thread one millisecond older is not written."""
    account = Account(size=400)
    moments = sorted(row["latestMessageTimestamp"] for row in account.threads())
    start = moments[200]
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url, start_date=start))
    found = [row["latestMessageTimestamp"] for row in output.records]
    assert found == [moment for moment in moments if moment >= start]


def test_a_bookmark_before_the_start_date_does_not_go_behind_it() -> None:
    """A later start date narrows the next run."""
    account = Account(size=400)
    moments = sorted(row["latestMessageTimestamp"] for row in account.threads())
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, start_date=moments[300])
        output = run_here(config, state=state_at(moments[100]))
    assert len(output.records) == 100


def test_a_full_table_comes_in_id_order_without_a_bookmark() -> None:
    """With FULL_TABLE, everything is read, including threads without a message."""
    account = Account(size=300, shape=Shape(silent=0.2, archived=0.1))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(
            settings(hubspot.url, page_size=50), catalog=select(method="FULL_TABLE")
        )
        sorts = {request.param("sort") for request in hubspot.requests}
    assert by_id(output.records) == truth(account)
    assert sorts == {"id"}
    assert "replication_key_value" not in output.bookmark


def test_tickets_are_asked_for_only_if_they_are_selected() -> None:
    """Without the column, there is no `association` parameter and no field."""
    with FakeHubSpot(Account(size=5), token=TOKEN) as hubspot:
        output = run_here(
            settings(hubspot.url), catalog=select("threadAssociations", "spam")
        )
        (request,) = hubspot.requests
    assert request.param("association") is None
    assert all(
        not {"threadAssociations", "spam"} & row.keys() for row in output.records
    )


def test_a_page_longer_than_the_buffer_arrives_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even if one line is longer than the buffer, nothing is cut."""
    account = Account(size=50, shape=Shape(unicode=True))
    thread = account.live_ids()[0]
    account.assign(thread, "A-\r\u2028" + "long" * 100)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        for size in (200, 2_000, PageWriter.BUFFER):
            monkeypatch.setattr(PageWriter, "BUFFER", size)
            output = run_here(settings(hubspot.url))
            assert by_id(output.records) == truth(account)


@pytest.mark.parametrize("number", range(20))
def test_a_run_killed_at_any_moment_goes_on(tmp_path: Path, number: int) -> None:
    """After SIGKILL at any point, a run from the last STATE completes the account.

    The point is a random line of the output, so it can be inside a page.
    """
    account = Account(
        size=1_200, shape=Shape.awkward(archived=0, silent=0, tie_size=60)
    )
    lines = random.Random(number).randrange(60, 950)
    with FakeHubSpot(account, Contract.awkward(moves=0), token=TOKEN) as hubspot:
        config = settings(hubspot.url, page_size=40)
        process = start_tap(tmp_path, config)
        assert process.stdout is not None
        assert process.stderr is not None
        before = b"".join(process.stdout.readline() for _ in range(lines))
        process.send_signal(signal.SIGKILL)
        before += process.stdout.read()
        process.stderr.read()
        killed = Output.parse(before, process.wait())
        assert killed.code == -signal.SIGKILL
    process.stdout.close()
    process.stderr.close()
    # Another server, because the last request of the killed run may arrive only now.
    with FakeHubSpot(account, Contract.awkward(moves=0), token=TOKEN) as hubspot:
        config = settings(hubspot.url, page_size=40)
        resumed = run_here(config, state=killed.states[-1] if killed.states else None)
        first_bound = hubspot.requests[0].param(BOUND)
    assert resumed.records
    assert by_id(killed.records + resumed.records) == truth(account)
    if killed.states and "replication_key_value" in killed.bookmark:
        assert first_bound is not None
        assert first_bound > timestamps.EPOCH
        assert len(resumed.records) < 1_200
