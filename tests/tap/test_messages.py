"""The stream `messages`: the histories of threads."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import signal
import typing as t

import pytest

from tap_hubspot_threads.errors import HubSpotError
from tap_hubspot_threads.messages import MessagesStream
from tap_hubspot_threads.ordering import Frontier
from tap_hubspot_threads.progress import ThreadProgress, duration
from tap_hubspot_threads.sweeps import MessageSweep
from tap_hubspot_threads.tap import TapHubSpotThreads
from tests.fake_hubspot import Account, Contract, FakeHubSpot, Fault, Shape
from tests.support.harness import (
    TOKEN,
    Output,
    StillClock,
    captured_log,
    discover,
    oauth_settings,
    run_command_here,
    run_here,
    run_tap,
    select,
    settings,
    start_tap,
    written,
)
from tests.tap.test_trust import batches
from tests.tap.test_trust import rows_of as batch_rows

if t.TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable
    from pathlib import Path

    Row: t.TypeAlias = dict[str, t.Any]
    Key: t.TypeAlias = tuple[str, str]
    Table: t.TypeAlias = dict[Key, Row]

STREAMS = ("messages", "actors")
SWEPT = {"sweep_interval_hours": 12}
SCHEMA = MessagesStream.schema
HOUR = 3_600_000


def config(hubspot: FakeHubSpot, **more: t.Any) -> dict[str, t.Any]:
    """Return the settings of a run that reads messages."""
    return settings(hubspot.url, **{"include_messages": True} | more)


def run(hubspot: FakeHubSpot, *, hours: float = 0, **more: t.Any) -> Output:
    """Read messages and actors, some hours after the present of the account."""
    state, streams = more.pop("state", None), more.pop("streams", STREAMS)
    return run_here(
        config(hubspot, **more),
        catalog=select(streams=streams),
        state=state,
        began=now(hubspot.account) + int(hours * HOUR),
    )


def now(account: Account) -> int:
    """Return the present of an account in milliseconds, as a tap's clock shows it."""
    return account.clock.us // 1000


def rows_of(output: Output, stream: str = "messages") -> list[Row]:
    """Return the records of a stream, in their order."""
    return [
        m["record"]
        for m in output.messages
        if m["type"] == "RECORD" and m["stream"] == stream
    ]


def table(*outputs: Output) -> Table:
    """Return what an upsert by thread and ID holds after some runs."""
    return {
        (row["conversationsThreadId"], row["id"]): row
        for output in outputs
        for row in rows_of(output)
    }


def truth(account: Account, wanted: Callable[[Row], object] = bool) -> Table:
    """Return the histories of some threads, all by default, as they are written."""
    return {
        (row["conversationsThreadId"], row["id"]): written(row, SCHEMA)
        for thread in account.threads()
        if wanted(thread)
        for row in account.history(thread["id"])
    }


def bookmark_of(state: t.Any) -> str:
    """Return the bookmark of messages in a STATE, or empty text."""
    kept = state.get("bookmarks", {}).get("messages", {})
    return str(kept.get("replication_key_value", ""))


def unread(output: Output) -> t.Any:
    """Return the threads that the last STATE notes as unread."""
    return output.states[-1]["bookmarks"]["messages"].get("unread")


def is_live(thread: Row) -> bool:
    """Return whether a thread is listed in the order of its latest message."""
    return not thread["archived"] and "latestMessageTimestamp" in thread


def is_swept(thread: Row) -> bool:
    """Return whether the first sweep reads a thread that the changes do not."""
    is_silent = "latestMessageTimestamp" not in thread
    return bool(thread["archived"]) or thread["status"] == "OPEN" or is_silent


def asked_for(hubspot: FakeHubSpot) -> list[str]:
    """Return the threads whose histories were asked for, in that order."""
    threads = (str(seen.thread_id) for seen in hubspot.requests_for("messages"))
    return list(dict.fromkeys(threads))


# The table.

CONTRACTS = {
    "plain": Contract(),
    "awkward": Contract.awkward(moves=0, signed_urls=False),
    "short pages": Contract(short_pages=True, cursor_encoded=True),
    "empty pages": Contract(empty_every=1, empty_run=2, last_page="next_null"),
    "offsets": Contract(cursor="offset", last_page="echo"),
    "nulls": Contract(nulls=True, last_page="empty"),
    "archived optional": Contract(messages_archived="optional"),
    "archived forbidden": Contract(messages_archived="forbidden"),
    "archived forbidden, no 404": Contract(
        messages_archived="forbidden", unknown_thread="empty"
    ),
    "small default": Contract(messages_limit_default=1, sibling_strict=False),
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_table_is_the_accounts(name: str) -> None:
    """Every item of every thread is there with all fields, whatever it looks like."""
    shape = Shape.awkward(archived=0.1, long_histories=0.1)
    account = Account(size=60, shape=shape)
    account.create(latestMessageTimestamp=None)
    with FakeHubSpot(account, CONTRACTS[name], token=TOKEN) as hubspot:
        output = run(hubspot, **SWEPT)
    expected = truth(account, lambda row: is_live(row) or is_swept(row))
    assert table(output) == expected
    assert len(rows_of(output)) == len(expected)
    sizes = {len(account.history(row["id"])) for row in account.threads()}
    assert 0 in sizes
    assert max(sizes) > 300
    assert "SENTIMENT_CHANGE" in {row["type"] for row in rows_of(output)}


def test_the_same_id_in_two_threads_is_two_rows() -> None:
    """The key is the thread and the ID: it is unknown whether IDs are unique."""
    account = Account(size=60, shape=Shape(shared_message_ids=True))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run(hubspot)
    ids = [row["id"] for row in rows_of(output)]
    assert len(set(ids)) < len(ids) == len(truth(account))
    assert table(output) == truth(account)
    (schema,) = [m for m in output.messages if m.get("stream") == "messages"][:1]
    assert schema["key_properties"] == ["conversationsThreadId", "id"]


def test_the_output_is_the_same_with_any_number_of_readers() -> None:
    """All messages come in the same order, line by line."""
    account = Account(size=250, shape=Shape(archived=0.1, long_histories=0.01))
    outputs = []
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        for readers in (1, 4, 8):
            more = {"page_size": 10, "max_parallel_requests": readers, **SWEPT}
            outputs.append(run(hubspot, streams=("threads", *STREAMS), **more))
    for output in outputs:
        for message in output.messages:
            message.pop("time_extracted", None)
    assert outputs[0].messages == outputs[1].messages == outputs[2].messages
    assert table(outputs[0]) == truth(account)


START = "2025-01-01T00:00:00Z"


def a_ticket(account: Account) -> int:
    """Return the ticket of one of the threads."""
    tickets = (row.get("threadAssociations") for row in account.threads())
    return int(next(each["associatedTicketId"] for each in tickets if each))


def a_contact(account: Account) -> int:
    """Return the contact of one of the threads."""
    rows = (row for row in account.threads() if row["status"] == "CLOSED")
    return int(next(rows)["associatedContactId"])


FILTERS: dict[str, Callable[[Account], dict[str, t.Any]]] = {
    "inboxes": lambda _: {"inbox_ids": [519_204, 77_310_042]},
    "start date": lambda _: {"start_date": START},
    "open": lambda _: {"thread_status": "OPEN"},
    "closed": lambda _: {"thread_status": "CLOSED"},
    "contact": lambda account: {
        "associated_contact_id": a_contact(account),
        "thread_status": "CLOSED",
    },
    "ticket": lambda account: {"associated_ticket_id": a_ticket(account)},
}


def matches(thread: Row, filters: dict[str, t.Any]) -> bool:
    """Return whether a thread matches the settings."""
    ticket = (thread.get("threadAssociations") or {}).get("associatedTicketId", 0)
    return (
        int(thread["inboxId"]) in filters.get("inbox_ids", [int(thread["inboxId"])])
        and thread["latestMessageTimestamp"] >= filters.get("start_date", "")
        and thread["status"] == filters.get("thread_status", thread["status"])
        and int(thread["associatedContactId"])
        == filters.get("associated_contact_id", int(thread["associatedContactId"]))
        and int(ticket) == filters.get("associated_ticket_id", int(ticket))
    )


@pytest.mark.parametrize("with_threads", [False, True])
@pytest.mark.parametrize("name", FILTERS)
def test_the_filters_of_threads_are_those_of_their_messages(
    name: str, with_threads: bool
) -> None:
    """The histories of exactly those threads are read that `threads` has."""
    account = Account(size=120, shape=Shape(archived=0.1))
    filters = FILTERS[name](account)
    streams = (*STREAMS, "threads") if with_threads else STREAMS
    contract = Contract(status_ignored=True)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run(hubspot, streams=streams, **filters, **SWEPT)
        asked = asked_for(hubspot)
    expected = {row["id"] for row in account.threads() if matches(row, filters)}
    assert table(output) == truth(account, lambda row: matches(row, filters))
    assert set(asked) == expected
    assert 0 < len(expected) < 120
    if with_threads:
        assert {row["id"] for row in rows_of(output, "threads")} == expected


def test_unknown_fields_and_unreadable_values_cost_no_row(tmp_path: Path) -> None:
    """They are reported without their contents, as for threads."""
    account = Account(size=30)

    def spoil(content: t.Any) -> None:
        for row in content["results"]:
            row |= {"mood": "canary", "text": ["canary"], "senders": "canary"}

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.edited(spoil), on="messages")
        output = run_command_here(
            tmp_path, config(hubspot), catalog=select(streams=STREAMS)
        )
    assert output.code == 0
    spoiled = {"text": None, "senders": None}
    assert table(output) == {k: row | spoiled for k, row in truth(account).items()}
    for field in ("mood", "text", "senders"):
        assert any(f"`{field}`" in line for line in output.warnings)
    assert "canary" not in output.stderr.lower()


# Later runs.


def aged(size: int = 60, **shape: t.Any) -> Account:
    """Return an account in which nothing has happened for an hour, but for one thread.

    Each run reads that one again: it is at the bookmark.
    """
    account = Account(size=size, shape=Shape(**shape))
    account.clock.advance(hours=1)
    account.create(status="CLOSED", closedAt=account.clock.text)
    account.clock.advance(hours=1)
    return account


def test_a_later_run_reads_only_the_threads_with_a_new_message() -> None:
    """It asks for the list once, and once for each of these threads."""
    account = aged()
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot)
        moved = account.live_ids()[:5]
        for thread in moved:
            account.message(thread)
        account.comment(account.live_ids()[7])
        hubspot.forget()
        second = run(hubspot, state=first.states[-1])
        counts = hubspot.requests_by_endpoint
        newest = account.live_ids()[-1]
        assert asked_for(hubspot) == [newest, *moved]
    assert (counts["threads"], counts["messages"]) == (1, 6)
    chosen = {*moved, newest}
    assert table(second) == truth(account, lambda row: row["id"] in chosen)


def test_a_new_message_brings_the_whole_history() -> None:
    """States that have changed, and a mail that is dated behind, come with it."""
    account = aged(mail_dates_behind=True)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot)
        thread = account.live_ids()[3]
        sent = [
            account.message(thread, sent=True, createdAt="2025-12-31T00:00:00Z")
            for _ in range(2)
        ]
        second = run(hubspot, state=first.states[-1])
        account.set_message_status(thread, sent[0], "READ")
        account.set_message_status(thread, sent[1], "FAILED")
        account.clock.advance(hours=1)
        late = account.late_mail(thread, seconds=10_800)
        third = run(hubspot, state=second.states[-1])
    rows = table(second, third)
    states = [rows[thread, each]["status"] for each in sent]
    assert [state["statusType"] for state in states] == ["READ", "FAILED"]
    assert "failureDetails" in states[1]
    assert rows[thread, late]["createdAt"] < bookmark_of(second.states[-1])
    assert table(first, second, third) == truth(account)


def test_a_run_in_which_nothing_happened_reads_what_the_overlap_has() -> None:
    """Two requests are enough."""
    account = aged(size=200)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot)
        hubspot.forget()
        second = run(hubspot, state=first.states[-1])
        assert (len(hubspot.list_requests), len(asked_for(hubspot))) == (1, 1)
    assert second.states[-1]["bookmarks"] == first.states[-1]["bookmarks"]


@pytest.mark.parametrize("readers", [1, 8])
@pytest.mark.parametrize("answer", ["404", "empty"])
def test_a_thread_that_vanishes_is_no_error(
    answer: t.Any, readers: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Those that are deleted after they were listed are counted at the second look."""
    account = Account(size=40)
    gone = account.live_ids()[5:9]

    def purge(seen: t.Any) -> None:
        if seen.endpoint == "messages" and seen.number == 1:
            for thread in gone:
                account.purge(thread)

    contract = Contract(unknown_thread=answer)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        hubspot.before_any_request = purge
        output = run(hubspot, max_parallel_requests=readers)
        hubspot.before_any_request = None
        assert sorted(unread(output) or ()) == sorted(gone)
        with caplog.at_level("INFO"):
            second = run(hubspot, state=output.states[-1])
    assert table(output) == table(output, second) == truth(account)
    assert unread(second) is None
    lines = [r.getMessage() for r in caplog.records if "deleted before" in r.msg]
    assert [line.rpartition(": ")[2] for line in lines] == ["4"] * (answer == "404")


def test_a_thread_that_is_archived_after_it_was_listed_is_read() -> None:
    """HubSpot may then want another request for its messages."""
    account = Account(size=40)
    moved = account.live_ids()[5:9]

    def archive(seen: t.Any) -> None:
        if seen.endpoint == "messages" and seen.number == 1:
            for thread in moved:
                account.archive(thread)

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.before_any_request = archive
        output = run(hubspot)
        hubspot.before_any_request = None
    assert table(output) == truth(account)


@pytest.mark.parametrize("readers", [1, 8])
def test_messages_that_come_meanwhile_are_not_lost(readers: int) -> None:
    """They come with this run or with the next one."""
    account = Account(size=100)
    contract = Contract(moves=2, moves_most=40, short_pages=True)
    more = {"page_size": 10, "max_parallel_requests": readers}
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        first = run(hubspot, **more)
        contract.moves = 0
        second = run(hubspot, state=first.states[-1], **more)
    assert table(first, second) == truth(account)


# The sweep.


def archive_with_a_message(account: Account, thread: str) -> None:
    """Let a thread have a last message, and archive it."""
    account.message(thread)
    account.archive(thread)


def comment_and_close(account: Account, thread: str) -> None:
    """Comment on a thread, and close it."""
    account.comment(thread)
    account.close(thread)


SILENT_CHANGES: dict[str, tuple[str, Callable[[Account, str], object]]] = {
    "closed": ("OPEN", Account.close),
    "commented on and closed": ("OPEN", comment_and_close),
    "reopened": ("CLOSED", Account.reopen),
    "assigned": ("OPEN", lambda account, row: account.assign(row, "A-2620022")),
    "commented on": ("OPEN", Account.comment),
    "moved": ("OPEN", lambda account, row: account.move(row, "519204")),
    "archived": ("CLOSED", archive_with_a_message),
}


@pytest.mark.parametrize("readers", [1, 8])
def test_a_sweep_brings_what_happens_without_a_message(readers: int) -> None:
    """It reads open threads and those that were just closed, and no others."""
    account = aged(size=300, closed=0.9)
    rows = {status: [] for status in ("OPEN", "CLOSED")}  # type: dict[str, list[str]]
    for row in account.threads():
        rows[row["status"]].append(row["id"])
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot, max_parallel_requests=readers, **SWEPT)
        account.clock.advance(hours=12)
        chosen = {
            name: rows[status].pop(3) for name, (status, _) in SILENT_CHANGES.items()
        }
        for name, (_, change) in SILENT_CHANGES.items():
            change(account, chosen[name])
        more = {"max_parallel_requests": readers}
        hourly = run(hubspot, state=first.states[-1], **more)
        hubspot.forget()
        swept = run(hubspot, state=hourly.states[-1], **more, **SWEPT)
        asked = asked_for(hubspot)
    assert not table(hourly).keys() & {
        key for key in truth(account) if key[0] in chosen.values()
    }
    assert table(first, swept) == truth(account)
    newest = account.live_ids()[-1]
    assert set(asked) == {*rows["OPEN"], *chosen.values(), newest}
    assert len(asked) == len(set(asked)) < 50


def test_a_thread_that_is_closed_during_a_run_comes_with_the_next_sweep() -> None:
    """That goes for one that the changes have read, and for one of the sweep."""
    account = aged(size=100, closed=0.5)
    closed: list[str] = []

    def close(seen: t.Any) -> None:
        if seen.endpoint == "messages" and seen.number in {20, 30, 40}:
            asked = asked_for(hubspot)[5:-1]
            ids = (i for i in asked if account.thread(i)["status"] == "OPEN")
            closed.append(next(ids))
            account.clock.advance(seconds=60)
            account.close(closed[-1])

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        outputs: list[Output] = []
        asked: list[set[str]] = []
        for hook in (close, close, None, None):
            hubspot.before_any_request = hook
            hubspot.forget()
            state = outputs[-1].states[-1] if outputs else None
            outputs.append(run(hubspot, state=state, **SWEPT))
            asked.append(set(asked_for(hubspot)))
            account.clock.advance(hours=12)
    assert len(closed) == 6
    assert set(closed) <= asked[2]
    # The sweep after that looks for the later ones again.
    assert asked[3] & set(closed) == set(closed[3:])
    assert table(*outputs[:2]) != truth(account)
    assert table(*outputs[:3]) == truth(account)


def test_a_clock_that_is_ahead_hides_no_closing() -> None:
    """It comes with the next sweep, though the run's own clock is wrong."""
    account = aged(size=30, closed=0.0)
    closed = account.live_ids()[0]

    def close(seen: t.Any) -> None:
        if seen.endpoint == "messages" and seen.number == 10:
            account.close(closed)
            account.clock.advance(hours=1)

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.before_any_request = close
        first = run(hubspot, hours=2, **SWEPT)
        hubspot.before_any_request = None
        account.clock.advance(hours=12)
        second = run(hubspot, hours=2, state=first.states[-1], **SWEPT)
    assert table(first, second) == truth(account)


def test_a_clock_that_is_ahead_hides_no_closing_after_a_run_without_sweep() -> None:
    """It comes with the first sweep, though no other stream has told HubSpot's time."""
    account = aged(size=30, closed=0.0)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot, hours=2)
        account.clock.advance(hours=1)
        account.close(account.live_ids()[0])
        second = run(hubspot, hours=2, state=first.states[-1], **SWEPT)
    assert table(first, second) == truth(account)


@pytest.mark.parametrize("value", [None, "yesterday", "x"])
def test_an_unreadable_state_of_the_sweep_hides_no_closing(value: str | None) -> None:
    """The sweep then reads too much rather than too little."""
    account = aged(size=30, closed=0.0)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot, **SWEPT)
        account.clock.advance(hours=12)
        account.close(account.live_ids()[0])
        state = first.states[-1]
        state["bookmarks"]["messages"]["closed_since"] = value
        second = run(hubspot, state=state, **SWEPT)
    assert table(first, second) == truth(account)


def test_the_first_two_sweeps_read_the_trash() -> None:
    """No other pass does, and later ones read only what has changed."""
    account = aged(size=100, archived=0.3, closed=1.0)
    archived = set(account.archived_ids())
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot)
        assert archived.isdisjoint(asked_for(hubspot))
        hubspot.forget()
        second = run(hubspot, state=first.states[-1], **SWEPT)
        assert archived <= set(asked_for(hubspot))
        assert table(first, second) == truth(account)
        account.clock.advance(hours=12)
        hubspot.forget()
        third = run(hubspot, state=second.states[-1], **SWEPT)
        assert set(account.archived_ids()) <= set(asked_for(hubspot))
        account.clock.advance(hours=12)
        hubspot.forget()
        run(hubspot, state=third.states[-1], **SWEPT)
        assert archived.isdisjoint(asked_for(hubspot))


def test_the_trash_can_be_left_out() -> None:
    """With `include_archived: false`, nothing is asked for about it."""
    account = Account(size=100, shape=Shape(archived=0.3))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run(hubspot, include_archived=False, **SWEPT)
        assert set(account.archived_ids()).isdisjoint(asked_for(hubspot))
        assert {seen.param("archived") for seen in hubspot.list_requests} == {None}
    assert table(output) == truth(account, is_live)


def test_each_inbox_has_its_own_sweep() -> None:
    """An inbox that is added later is read from its beginning, trash included."""
    account = aged(size=100, archived=0.2)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot, inbox_ids=[481_939], **SWEPT)
        hubspot.forget()
        both = [481_939, 519_204]
        second = run(hubspot, inbox_ids=both, state=first.states[-1], **SWEPT)
        asked = set(asked_for(hubspot))
    inboxes = {str(inbox) for inbox in both}
    assert table(first, second) == truth(account, lambda r: r["inboxId"] in inboxes)
    old = {r["id"] for r in account.threads() if r["inboxId"] == "481939"}
    assert len(asked & old) <= 1


# Threads that are not served.


def refuse(hubspot: FakeHubSpot, status: int, threads: Container[object]) -> None:
    """Answer with a status whenever the histories of some threads are asked for."""
    hubspot.faults.clear()
    hubspot.faults.add(
        Fault.status(status), when=lambda s: s.thread_id in threads, on="messages"
    )


@pytest.mark.parametrize("readers", [1, 8])
@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_thread_that_cannot_be_served_stops_no_other(
    tmp_path: Path, readers: int, status: int
) -> None:
    """The run ends with 1, the next one tries it again, and nothing else is lost."""
    account = Account(size=40)
    bad = account.live_ids()[12]
    more = {"max_parallel_requests": readers, "max_retry_seconds": 0}
    outputs: list[Output] = []
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        for is_served in (False, False, True):
            refuse(hubspot, status, () if is_served else (bad,))
            outputs.append(
                run_command_here(
                    tmp_path,
                    config(hubspot, **more),
                    catalog=select(streams=STREAMS),
                    state=outputs[-1].states[-1] if outputs else None,
                )
            )
    assert [output.code for output in outputs] == [1, 1, 0]
    assert list(map(unread, outputs)) == [[bad], [bad], None]
    assert table(*outputs[:2]) == truth(account, lambda row: row["id"] != bad)
    assert table(*outputs) == truth(account)
    for output in outputs[:2]:
        assert "the messages of 1 thread, which the next run tries" in output.stderr


@pytest.mark.parametrize("served", [0, 6])
@pytest.mark.parametrize("sweep", [{}, SWEPT])
def test_404s_for_all_threads_are_no_deletions(
    tmp_path: Path, served: int, sweep: dict[str, int]
) -> None:
    """The endpoint is missing for a while, and the next run reads what is left."""
    account = Account(size=60)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.status(404), since=served + 1, on="messages")
        failed = run_command_here(
            tmp_path, config(hubspot, **sweep), catalog=select(streams=STREAMS)
        )
        hubspot.faults.clear()
        state = failed.states[-1] if failed.states else None
        after = run(hubspot, state=state, **sweep)
    assert failed.code == 1
    assert "the setting `api_version`" in failed.stderr
    assert table(failed, after) == truth(account)


@pytest.mark.parametrize("readers", [1, 8])
def test_many_threads_that_are_not_found_for_a_while_stop_no_other(
    tmp_path: Path, readers: int
) -> None:
    """Another one is, so the endpoint works; the next run reads them."""
    account = Account(size=80)
    lost = list(account.places())[6:60]
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        refuse(hubspot, 404, lost)
        first = run_command_here(
            tmp_path,
            config(hubspot, max_parallel_requests=readers),
            catalog=select(streams=STREAMS),
        )
        hubspot.faults.clear()
        second = run(hubspot, state=first.states[-1])
    assert first.code == 0
    assert table(first) == truth(account, lambda row: row["id"] not in lost)
    assert table(first, second) == truth(account)


@pytest.mark.parametrize("fault", [Fault.status(404), Fault.json({"results": []})])
def test_a_history_that_is_missing_for_a_moment_comes_with_the_next_run(
    fault: Fault,
) -> None:
    """Also if HubSpot answers an archived listing of a live thread with nothing."""
    account = aged(size=40, closed=1.0)
    late = account.live_ids()[20]
    contract = Contract(messages_archived="required")
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        hubspot.faults.add(
            fault,
            when=lambda seen: seen.thread_id == late and not seen.param("archived"),
            times=1,
            on="messages",
        )
        first = run(hubspot, **SWEPT)
        second = run(hubspot, state=first.states[-1])
    assert unread(first) == [late]
    assert table(first) == truth(account, lambda row: row["id"] != late)
    assert table(first, second) == truth(account)
    assert unread(second) is None


@pytest.mark.parametrize("archived", [0.1, 0.6])
def test_a_trash_without_messages_stops_no_sweep(archived: float) -> None:
    """HubSpot may answer 404 for it, and later sweeps still find what is closed."""
    account = aged(size=60, archived=archived, closed=0.3)
    trash = account.archived_ids()
    state: t.Any = None
    outputs: list[Output] = []
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        refuse(hubspot, 404, trash)
        for _ in range(4):
            outputs.append(run(hubspot, state=state, **SWEPT))
            state = outputs[-1].states[-1]
            account.clock.advance(hours=13)
            still_open = (r for r in account.threads() if r["status"] == "OPEN")
            account.close(next(r["id"] for r in still_open if r["id"] not in trash))
            account.clock.advance(hours=1)
        outputs.append(run(hubspot, state=state, **SWEPT))
    assert table(*outputs) == truth(account, lambda row: row["id"] not in trash)


@pytest.mark.parametrize("status", [403, 500])
def test_threads_that_can_never_be_served_stop_no_other(
    tmp_path: Path, status: int
) -> None:
    """Each run tries them first, and reads all others."""
    account = Account(size=40)
    bad = account.live_ids()[3:30:6]
    outputs: list[Output] = []
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        refuse(hubspot, status, bad)
        for _ in range(3):
            account.message(account.live_ids()[0])
            outputs.append(
                run_command_here(
                    tmp_path,
                    config(hubspot, max_retry_seconds=0, **SWEPT),
                    catalog=select(streams=STREAMS),
                    state=outputs[-1].states[-1] if outputs else None,
                )
            )
    assert {output.code for output in outputs} == {1}
    assert sorted(unread(outputs[-1])) == sorted(bad)
    assert table(*outputs) == truth(account, lambda row: row["id"] not in bad)


@pytest.mark.parametrize("identity", ["", True, None, 1.5])
def test_a_message_without_an_id_stops_no_other_thread(
    tmp_path: Path, identity: object
) -> None:
    """Its thread is noted, and the rest is read."""
    account = Account(size=30)
    bad = account.live_ids()[12]

    def spoil(body: t.Any) -> None:
        body["results"][0]["id"] = identity

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(
            Fault.edited(spoil), when=lambda s: s.thread_id == bad, on="messages"
        )
        output = run_command_here(
            tmp_path, config(hubspot), catalog=select(streams=STREAMS)
        )
    assert output.code == 1
    assert unread(output) == [bad]
    assert table(output) == truth(account, lambda row: row["id"] != bad)


@pytest.mark.parametrize("value", [None, "soon", 1_767_225_600_000])
def test_a_closed_thread_without_the_time_is_read_by_each_sweep(value: object) -> None:
    """Nothing else tells that it was closed."""
    account = aged(size=20, closed=0.5)
    closed = next(r["id"] for r in account.threads() if r["status"] == "OPEN")
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        outputs = [run(hubspot, **SWEPT)]
        for _ in range(2):
            account.clock.advance(hours=13)
            outputs.append(run(hubspot, state=outputs[-1].states[-1], **SWEPT))
        account.clock.advance(hours=13)
        account.close(closed)
        account.update(closed, closedAt=value)
        account.clock.advance(hours=13)
        outputs.append(run(hubspot, state=outputs[-1].states[-1], **SWEPT))
    assert table(*outputs) == truth(account)


def test_a_listed_thread_without_a_history_fails_no_quiet_run(tmp_path: Path) -> None:
    """It waits for the next run, and for another thread that is served."""
    account = aged(size=20)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot)
        last = list(account.places())[-1]
        refuse(hubspot, 404, (last,))
        second = run_command_here(
            tmp_path,
            config(hubspot),
            catalog=select(streams=STREAMS),
            state=first.states[-1],
        )
    assert second.code == 0
    assert unread(second) == [last]


def test_an_archived_thread_may_have_an_empty_history() -> None:
    """If HubSpot says so without a 404, the other way is tried as well."""
    account = aged(size=30, closed=1.0)
    moved = list(account.places())[20]

    def archive(seen: t.Any) -> None:
        if seen.endpoint == "messages" and not account.thread(moved)["archived"]:
            account.archive(moved)

    contract = Contract(messages_archived="required", unknown_thread="empty")
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        hubspot.before_any_request = archive
        first = run(hubspot)
    assert table(first).keys() == truth(account).keys()


@pytest.mark.parametrize("cursor", ["key", "offset"])
def test_a_first_load_of_two_runs_misses_nothing_that_moves_meanwhile(
    tmp_path: Path, cursor: t.Any
) -> None:
    """Old conversations are imported, and a thread moves from its page to the end."""
    account = aged(size=100, closed=1.0)
    account.clock.advance(days=40)
    first, old, *_ = account.live_ids()

    def meanwhile(seen: t.Any) -> None:
        if seen.endpoint == "messages" and seen.number == 25:
            account.message(first)
            fields = ("createdAt", "latestMessageTimestamp", "closedAt", "status")
            row = account.thread(old)
            account.create(**{name: row[name] for name in fields})

    with FakeHubSpot(account, Contract(cursor=cursor), token=TOKEN) as hubspot:
        hubspot.before_any_request = meanwhile
        cut = run(hubspot, page_size=20)
        hubspot.before_any_request = None
        states = [n for n, m in enumerate(cut.messages) if m["type"] == "STATE"]
        cut.messages = cut.messages[: states[5] + 1]  # as if it was killed
        account.clock.advance(hours=1)
        second = run(hubspot, state=cut.states[-1], page_size=20)
        account.clock.advance(hours=13)
        third = run(hubspot, state=second.states[-1], page_size=20, **SWEPT)
    assert table(cut, second, third) == truth(account)


def test_a_cursor_that_expires_costs_nothing() -> None:
    """None is kept while histories are read."""
    account = aged(size=120, closed=0.0)
    histories = 0

    def is_late(seen: t.Any) -> bool:
        return bool(seen.param("after")) and histories > 0

    def count(seen: t.Any) -> None:
        nonlocal histories
        begins_list = seen.endpoint == "threads" and not seen.param("after")
        histories = 0 if begins_list else histories + (seen.endpoint == "messages")

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.before_any_request = count
        hubspot.faults.add(Fault.json({"results": []}), when=is_late)
        output = run(hubspot, page_size=10, **SWEPT)
        hubspot.before_any_request = None
    assert table(output) == truth(account)


def test_an_inbox_that_is_refused_stops_no_other(tmp_path: Path) -> None:
    """Its messages are missing, and the run ends with 1."""
    account = Account(size=60)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(
            Fault.status(403), when=lambda seen: seen.param("inboxId") == "481939"
        )
        output = run_command_here(
            tmp_path,
            config(hubspot, inbox_ids=[481_939, 519_204]),
            catalog=select(streams=STREAMS),
        )
    assert output.code == 1
    assert table(output) == truth(
        account, lambda row: row["inboxId"] == "519204" and is_live(row)
    )


def test_an_account_with_nothing_but_trash_is_read_again(tmp_path: Path) -> None:
    """Also if one thread is purged after it was listed."""
    account = Account(size=0)
    for _ in range(30):
        account.archive(account.create())
    gone, *_ = account.archived_ids()

    def purge(seen: t.Any) -> None:
        if seen.endpoint == "messages" and gone in account:
            account.purge(gone)

    outputs: list[Output] = []
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.before_any_request = purge
        for _ in range(3):
            state = outputs[-1].states[-1] if outputs else None
            outputs.append(run(hubspot, state=state, **SWEPT))
            account.clock.advance(hours=13)
    assert table(*outputs) == truth(account)
    assert unread(outputs[-1]) == [gone]  # until a run reads another one before


def test_a_trash_that_was_left_out_is_read_by_the_next_sweep() -> None:
    """Also if its threads have been closed for long."""
    account = aged(size=60, archived=0.4, closed=1.0)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot, include_archived=False, **SWEPT)
        account.clock.advance(hours=12)
        second = run(hubspot, state=first.states[-1], **SWEPT)
    assert table(first).keys() < truth(account).keys()
    assert table(first, second) == truth(account)


def test_a_thread_that_is_imported_with_an_old_date_is_read_by_the_next_sweep() -> None:
    """Its ID is new, though its messages are not."""
    account = aged(size=40, closed=1.0)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot, **SWEPT)
        account.clock.advance(hours=12)
        old = account.thread(account.live_ids()[3])
        fields = ("createdAt", "latestMessageTimestamp", "closedAt", "status")
        account.create(**{name: old[name] for name in fields})
        second = run(hubspot, state=first.states[-1], **SWEPT)
        account.clock.advance(hours=12)
        third = run(hubspot, state=second.states[-1], **SWEPT)
    assert table(first, second, third) == truth(account)


def test_a_thread_that_one_sweep_did_not_see_is_found_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A closing may be missed by one look at the list, not by two."""
    account = aged(size=40, closed=0.5)
    closed = next(r["id"] for r in account.threads() if r["status"] == "OPEN")
    see = MessageSweep.may_have_changed
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot, **SWEPT)
        account.clock.advance(hours=12)
        account.close(closed)
        with monkeypatch.context() as patch:
            patch.setattr(
                MessageSweep,
                "may_have_changed",
                lambda sweep, row: row["id"] != closed and see(sweep, row),
            )
            second = run(hubspot, state=first.states[-1], **SWEPT)
        account.clock.advance(hours=12)
        third = run(hubspot, state=second.states[-1], **SWEPT)
    assert table(first, second) != truth(account)
    assert table(first, second, third) == truth(account)


def test_a_run_below_the_reserve_reads_no_history(tmp_path: Path) -> None:
    """The first response tells what is left, and only the list was asked for."""
    account = Account(size=200)
    contract = Contract(daily_limit=1_000, daily_used=950)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_command_here(
            tmp_path,
            config(hubspot, page_size=10, daily_limit_reserve=10),
            catalog=select(streams=STREAMS),
        )
        assert len(hubspot.requests) <= 3
    assert output.code == 0
    assert not table(output)


# The original content.


def is_cut(row: Row) -> bool:
    """Return whether a message is truncated."""
    return row.get("truncationStatus") not in {None, "NOT_TRUNCATED"}


def with_originals(account: Account) -> Table:
    """Return all histories with the whole texts of the live threads."""
    rows = truth(account)
    archived = set(account.archived_ids())
    for (thread, message), row in rows.items():
        if is_cut(row) and thread not in archived:
            original = account.original(thread, message)
            row["originalText"] = original.get("text")
            row["originalRichText"] = original.get("richText")
    return rows


@pytest.mark.parametrize("readers", [1, 8])
@pytest.mark.parametrize("of_archived", [False, True])
def test_truncated_messages_get_their_whole_text(
    tmp_path: Path, readers: int, of_archived: bool
) -> None:
    """One that HubSpot does not have leaves null, and one warning counts them."""
    account = Account(size=80, shape=Shape.awkward(archived=0.2, truncated=0.5))
    contract = Contract(original_of_archived=of_archived)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_command_here(
            tmp_path,
            config(
                hubspot,
                include_original_content=True,
                max_parallel_requests=readers,
                **SWEPT,
            ),
            catalog=select(streams=STREAMS),
        )
        asked = [s.message_id for s in hubspot.requests_for("original-content")]
    assert output.code == 0
    silent = {r["id"] for r in account.threads() if not r.get("latestMessageTimestamp")}
    rows = {k: row for k, row in table(output).items() if k[0] not in silent}
    cut = [row for row in rows.values() if is_cut(row)]
    assert len(asked) == len(cut) > 50
    archived = set(account.archived_ids())
    lost = [row for row in cut if row["conversationsThreadId"] in archived]
    lines = [line for line in output.warnings if "no original" in line]
    if of_archived:
        assert not lines
    else:
        assert [line.rpartition(": ")[2] for line in lines] == [str(len(lost))]
        expected = with_originals(account)
        assert rows == {k: r for k, r in expected.items() if k[0] not in silent}
    assert any(row["originalRichText"] for row in rows.values())


def test_a_missing_endpoint_of_originals_costs_no_message(tmp_path: Path) -> None:
    """Every truncated message is counted, and all else is written."""
    account = Account(size=40, shape=Shape(truncated=0.5))
    contract = Contract(missing=("original-content",))
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_command_here(
            tmp_path,
            config(hubspot, include_original_content=True),
            catalog=select(streams=STREAMS),
        )
    assert output.code == 0
    assert table(output) == truth(account)
    (line,) = [line for line in output.warnings if "no original" in line]
    assert line.endswith(f": {sum(map(is_cut, rows_of(output)))}")


def test_without_the_setting_no_original_is_asked_for() -> None:
    """Both fields are null."""
    account = Account(size=40, shape=Shape(truncated=1.0))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run(hubspot)
        assert not hubspot.requests_for("original-content")
    fields = ("originalText", "originalRichText")
    assert {row[name] for row in rows_of(output) for name in fields} == {None}


def test_an_id_of_any_form_leads_to_its_original() -> None:
    """It is quoted in the path, whatever characters it has."""
    account = Account()
    thread = account.create()
    for identity in ("wamid.a/b?c=d&e#f%20", "<x@y.example>:1_-2", "«ü»"):
        account.message(thread, id=identity, truncationStatus="TRUNCATED")
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run(hubspot, include_original_content=True)
    rows = [row for row in rows_of(output) if is_cut(row)]
    assert len(rows) >= 3
    assert table(output) == with_originals(account)


def test_a_truncation_status_of_another_type_costs_no_row() -> None:
    """It is written as null, with and without `include_original_content`."""
    account = Account(size=10)

    def spoil(content: t.Any) -> None:
        for row in content["results"]:
            row["truncationStatus"] = ["?"]

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.edited(spoil), on="messages")
        output = run(hubspot, include_original_content=True)
    assert table(output).keys() == truth(account).keys()


def test_a_row_without_its_thread_gets_it() -> None:
    """It is part of the key, so it is never null."""
    account = Account(size=10)

    def spoil(content: t.Any) -> None:
        for number, row in enumerate(content["results"]):
            row["conversationsThreadId"] = None
            if number % 2:
                del row["conversationsThreadId"]

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.edited(spoil), on="messages")
        output = run(hubspot)
    assert table(output) == truth(account)


# Kills and faults.


def missing_at_states(output: Output, account: Account) -> set[Key]:
    """Return what a STATE covers although it was not written before it.

    That is the items of all threads whose place is before the bookmark, and the actors
    of all rows.
    """
    places = account.places()
    items: dict[str, set[Key]] = {thread: set() for thread in places}
    for key in truth(account):
        items.get(key[0], set()).add(key)
    missing: set[Key] = set()
    seen: set[Key] = set()
    mentioned: set[str] = set()
    named: set[str] = set()
    last = None
    for message in output.messages:
        if message["type"] == "STATE" and message["value"] != last:
            last = message["value"]  # a run that is stopped repeats it
            reached = bookmark_of(last)
            for thread, place in places.items():
                missing |= items[thread] - seen if place < reached else set()
            missing |= {("actor", identity) for identity in mentioned - named}
        elif message["type"] == "RECORD" and message["stream"] == "messages":
            row = message["record"]
            seen.add((row["conversationsThreadId"], row["id"]))
            mentioned |= colleagues_of([row])
        elif message["type"] == "RECORD" and message["stream"] == "actors":
            named.add(message["record"]["id"])
    return missing


def colleagues_of(rows: Iterable[Row]) -> set[str]:
    """Return everybody whom some messages mention, but no customers."""
    return {i for i in actors_of(rows) if not i.startswith(("V-", "E-"))}


def actors_of(rows: Iterable[Row]) -> set[str]:
    """Return everybody whom some messages mention."""
    ids: set[str | None] = set()
    for row in rows:
        ids |= {row.get(name) for name in ("createdBy", "assignedFrom", "assignedTo")}
        people = [*(row.get("senders") or ()), *(row.get("recipients") or ())]
        ids |= {person.get("actorId") for person in people}
    return {identity for identity in ids if identity}


def assert_it_completes(
    hubspot: FakeHubSpot, before: Output, *, behind: int = 0
) -> None:
    """Assert that nothing was left out, and that the next run brings exactly the rest.

    That is what the bookmark does not cover. At most `behind` threads that were written
    are read again, if it is given.
    """
    account = hubspot.account
    assert missing_at_states(before, account) == set()
    hubspot.forget()
    state = before.states[-1] if before.states else None
    after = run(hubspot, state=state, lookback_seconds=0)
    bookmark = bookmark_of(state or {})
    places = account.places()
    rest = [i for i in places if places[i] >= bookmark]
    # While one request failed, others that were sent after it did not.
    unread = ((state or {}).get("bookmarks", {}).get("messages", {})).get("unread", [])
    assert asked_for(hubspot) == list(dict.fromkeys([*unread, *rest]))
    sent = hubspot.requests_for("messages")
    firsts = [seen for seen in sent if seen.param("after") is None]
    assert len(firsts) == len(unread) + len(rest)
    assert table(before, after) == truth(account)
    actors = {row["id"] for row in rows_of(before, "actors") + rows_of(after, "actors")}
    assert actors == colleagues_of(table(before, after).values())
    if behind:
        done = {key[0] for key in table(before)}
        assert len(done & set(asked_for(hubspot))) <= behind


BEHIND = 2 * Frontier.PROOF + MessagesStream.THREADS_PER_STATE
"""Threads that the bookmark may be behind what is written."""


@pytest.mark.parametrize("readers", [1, 8])
def test_a_run_that_is_killed_anywhere_is_completed_by_the_next(readers: int) -> None:
    """Whatever line was the last, the next run brings the rest and little more."""
    account = Account(size=80, shape=Shape(newer=0.05))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        whole = run(hubspot, max_parallel_requests=readers).messages
        ends = [n for n, message in enumerate(whole) if message["type"] == "STATE"]
        assert len(ends) > 5
        for end in (0, *ends):
            # Between two STATEs, it makes no difference to the next run.
            for lines in (end, end + 1):
                assert_it_completes(hubspot, Output(whole[:lines], -9), behind=BEHIND)


def test_a_sweep_that_is_killed_is_repeated() -> None:
    """Until it is complete, what it looks for stays the same."""
    account = aged(size=60, closed=0.5)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot, **SWEPT)
        account.clock.advance(hours=12)
        ids = [row["id"] for row in account.threads() if row["status"] == "OPEN"]
        for thread in ids[::3]:
            account.close(thread)
        account.clock.advance(hours=1)
        whole = run(hubspot, state=first.states[-1], **SWEPT).messages
        ends = [n + 1 for n, message in enumerate(whole) if message["type"] == "STATE"]
        for end in ends:
            killed = Output(whole[:end], -9)
            account.clock.advance(hours=1)
            again = run(hubspot, state=killed.states[-1], **SWEPT)
            assert table(first, killed, again) == truth(account)


def test_a_killed_process_leaves_nothing_out(tmp_path: Path) -> None:
    """What the pipe has at SIGKILL is enough to go on from."""
    account = Account(size=150)
    with FakeHubSpot(account, Contract(delay=0.005), token=TOKEN) as hubspot:
        process = start_tap(
            tmp_path,
            config(hubspot, max_parallel_requests=4),
            catalog=select(streams=STREAMS),
        )
        assert process.stdout is not None
        stdout = b"".join(itertools.islice(process.stdout, 330))
        process.kill()
        process.communicate()
    # Another server, because the last request of the killed run may arrive only now.
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        assert_it_completes(hubspot, Output.parse(stdout, -9))


def test_a_signal_ends_a_run_with_whole_lines(tmp_path: Path) -> None:
    """STATE covers what was written, and the next run goes on there."""
    account = Account(size=150)
    with FakeHubSpot(account, Contract(delay=0.005), token=TOKEN) as hubspot:
        process = start_tap(
            tmp_path,
            config(hubspot, max_parallel_requests=4),
            catalog=select(streams=STREAMS),
        )
        assert process.stdout is not None
        before = b"".join(itertools.islice(process.stdout, 200))
        process.send_signal(signal.SIGTERM)
        stdout = process.stdout.read()
        _, stderr = process.communicate(timeout=10)
        output = Output.parse(before + stdout, process.returncode, stderr.decode())
        assert stdout.endswith(b"\n")
        assert output.code == 128 + signal.SIGTERM
        assert output.errors == []
        assert len(table(output)) < len(truth(account))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        assert_it_completes(hubspot, output)


@pytest.mark.parametrize("readers", [1, 8])
@pytest.mark.parametrize("at", [1, 9, 20])
def test_a_fault_that_passes_costs_no_message(
    readers: int, at: int, clock: StillClock
) -> None:
    """The request is sent again, and everything else stays as it was."""
    account = Account(size=24)
    for fault in Fault.passing()[at % 2 :: 2]:
        with FakeHubSpot(account, token=TOKEN, monotonic=clock) as hubspot:
            hubspot.faults.add(fault, at=at, on="messages")
            output = run(hubspot, max_retry_seconds=100, max_parallel_requests=readers)
            assert len([seen for seen in hubspot.requests if seen.fault]) == 1
        assert table(output) == truth(account)
        assert len(rows_of(output)) == len(table(output))


@pytest.mark.parametrize("readers", [1, 8])
@pytest.mark.parametrize("at", [1, 9, 20, 60])
def test_a_fault_that_lasts_leaves_nothing_out(
    tmp_path: Path, readers: int, at: int
) -> None:
    """The run fails with one line, and the next one goes on from its STATE."""
    account = Account(size=90, shape=Shape(newer=0.05))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.status(500), since=at, on="messages")
        failed = run_command_here(
            tmp_path,
            config(hubspot, max_retry_seconds=0, max_parallel_requests=readers),
            catalog=select(streams=STREAMS),
        )
        hubspot.faults.clear()
        assert_it_completes(hubspot, failed, behind=BEHIND)
    assert failed.code == 1
    (line,) = failed.errors
    assert "/messages" in line
    threads = len({key[0] for key in table(failed)})
    assert threads == at - 1 if readers == 1 else threads < at


@pytest.mark.parametrize("readers", [1, 8])
@pytest.mark.parametrize(("endpoint", "path"), [("threads", ""), ("actors", "/actors")])
def test_a_fault_of_another_endpoint_leaves_nothing_out(
    tmp_path: Path, endpoint: t.Any, path: str, readers: int
) -> None:
    """Nor does one of the list of threads, or of the actors that a STATE waits for."""
    account = Account(size=90)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.status(500), since=3, on=endpoint)
        failed = run_command_here(
            tmp_path,
            config(
                hubspot,
                page_size=20,
                max_retry_seconds=0,
                max_parallel_requests=readers,
            ),
            catalog=select(streams=STREAMS),
        )
        hubspot.faults.clear()
        assert table(failed)
        assert_it_completes(hubspot, failed)
    assert failed.code == 1
    (line,) = failed.errors
    assert path in line


def test_a_fault_in_the_middle_of_a_history_writes_none_of_it(tmp_path: Path) -> None:
    """A part of a history is never in the table without the rest."""
    account = Account(size=30)
    thread = account.create()
    for _ in range(250):
        account.message(thread)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(
            Fault.status(500), when=lambda seen: seen.param("after"), on="messages"
        )
        failed = run_command_here(
            tmp_path,
            config(hubspot, max_retry_seconds=0),
            catalog=select(streams=STREAMS),
        )
        hubspot.faults.clear()
        assert_it_completes(hubspot, failed)
    assert failed.code == 1
    assert table(failed) == truth(account, lambda row: row["id"] != thread)


# The daily limit.

LIMIT, RESERVE, READERS = 100, 20, 2


def of_reserve(output: Output) -> list[str]:
    """Return the warnings about the reserve."""
    return [line for line in output.warnings if "daily_limit_reserve" in line]


def run_until_the_reserve(
    directory: Path, hubspot: FakeHubSpot, **more: t.Any
) -> Output:
    """Run the command with all streams, a part of the daily limit being reserved."""
    state = more.pop("state", None)
    streams = more.pop("streams", ALL)
    usual = {
        "daily_limit_reserve": RESERVE,
        "max_parallel_requests": READERS,
        "page_size": 50,
        "lookback_seconds": 0,
    }
    return run_command_here(
        directory,
        config(hubspot, **usual | more),
        catalog=select(streams=streams),
        state=state,
    )


ALL = ("inboxes", "channels", "channel_accounts", "threads", "messages", "actors")


def test_a_first_load_takes_as_many_days_as_the_limit_asks_for(tmp_path: Path) -> None:
    """Each run ends well at the reserve, and the next one goes on there."""
    account = Account(size=200, shape=Shape(newer=0.4))
    contract = Contract(daily_limit=LIMIT, daily_used=7)
    asked: list[str] = []
    outputs: list[Output] = []
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        while not outputs or of_reserve(outputs[-1]):
            hubspot.forget()
            state = outputs[-1].states[-1] if outputs else None
            outputs.append(run_until_the_reserve(tmp_path, hubspot, state=state))
            used = len(hubspot.requests) + contract.daily_used
            # Histories that were read ahead, the actors, and the list of what is left.
            assert used <= LIMIT - RESERVE + 4 * READERS + 8
            asked += asked_for(hubspot)
            hubspot.begin_day()
    assert len(outputs) == 4
    assert [output.code for output in outputs] == [0] * 4
    assert [len(of_reserve(output)) for output in outputs] == [1, 1, 1, 0]
    assert table(*outputs) == truth(account)
    assert len(asked) - 200 <= 3 * (BEHIND + 4 * READERS)
    messages = [message for output in outputs for message in output.messages]
    assert missing_at_states(Output(messages, 0), account) == set()
    ids = {row["id"] for row in rows_of(outputs[0], "threads")}
    assert ids == {row["id"] for row in account.threads()}


def test_the_warning_says_how_much_is_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the setting, the threads and the days, and that the next run goes on."""
    monkeypatch.setattr(ThreadProgress, "INTERVAL", 0.0)
    account = Account(size=200)
    contract = Contract(daily_limit=LIMIT)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_until_the_reserve(tmp_path, hubspot)
    (line,) = of_reserve(output)
    places = account.places()
    bookmark = bookmark_of(output.states[-1])
    left = sum(place >= bookmark for place in places.values())
    (to_come, days) = re.findall(
        r"; threads left to read: (\d+), about ([\d.]+) d", line
    )[0]
    # The bookmark is a few threads behind.
    assert left - BEHIND <= int(to_come) <= left
    assert float(days) == pytest.approx(int(to_come) / (LIMIT - RESERVE), abs=0.1)
    assert "`messages` stops here, and the next run continues;" in line


def test_the_line_at_the_reserve_names_the_sweep_that_is_left(tmp_path: Path) -> None:
    """No sweep has been completed."""
    with FakeHubSpot(
        Account(size=200), Contract(daily_limit=LIMIT), token=TOKEN
    ) as hubspot:
        output = run_until_the_reserve(tmp_path, hubspot, **SWEPT)
    (line,) = of_reserve(output)
    assert line.endswith("at this pace; a sweep is due after that")
    (due,) = re.findall(r"messages .* Complete: .*; next sweep (.*)", output.stderr)
    assert due == "due in the next run"


def test_the_sweep_leaves_the_reserve_as_well(tmp_path: Path) -> None:
    """One that was cut is noted as complete only when the next run has ended it."""
    account = Account(size=60, shape=Shape(archived=0.5))
    contract = Contract(daily_limit=75)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        first = run_until_the_reserve(tmp_path, hubspot, **SWEPT)
        hubspot.begin_day()
        second = run_until_the_reserve(
            tmp_path, hubspot, state=first.states[-1], **SWEPT
        )
    kept = [output.states[-1]["bookmarks"]["messages"] for output in (first, second)]
    assert ["sweep_began_at" in each for each in kept] == [False, True]
    assert ["sweep" in each for each in kept] == [True, False]
    assert [len(of_reserve(output)) for output in (first, second)] == [1, 0]
    assert table(first, second) == truth(account)


def sweep_for_days(
    directory: Path, hubspot: FakeHubSpot, state: t.Any, **more: t.Any
) -> tuple[list[Output], list[list[str]]]:
    """Run once a day until nothing is left; return also whose histories were read."""
    outputs: list[Output] = []
    asked: list[list[str]] = []
    while not outputs or (of_reserve(outputs[-1]) and len(outputs) < DAYS):
        hubspot.forget()
        output = run_until_the_reserve(
            directory, hubspot, state=state, streams=STREAMS, **SWEPT, **more
        )
        outputs.append(output)
        asked.append(asked_for(hubspot))
        state = output.states[-1]
        hubspot.begin_day()
    return outputs, asked


@pytest.mark.parametrize("readers", [1, 8])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_sweep_may_take_several_days(
    tmp_path: Path, readers: int, as_text: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each day goes on where the last one ended, whatever the order of the IDs is."""
    monkeypatch.setattr(ThreadProgress, "INTERVAL", 0.0)
    account = Account(size=250, now=None, shape=Shape(closed=0.0, archived=0.1))
    contract = Contract(ids_as_text=as_text)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        before = run_command_here(
            tmp_path,
            config(hubspot, **SWEPT),
            catalog=select(streams=STREAMS),
        )
        state = before.states[-1]
        state["bookmarks"]["messages"]["sweep_began_at"] = "2020-01-01T00:00:00.000Z"
        for thread in account.live_ids():
            account.comment(thread)
        # What was read ahead is lost each day, and some requests are kept for actors.
        contract.daily_limit = 120 + 5 * readers
        hubspot.begin_day()
        outputs, asked = sweep_for_days(
            tmp_path, hubspot, state, max_parallel_requests=readers
        )
    assert 3 <= len(outputs) <= 6
    assert [output.code for output in outputs] == [0] * len(outputs)
    assert table(before, *outputs) == truth(account)
    again = sum(map(len, asked)) - len(set().union(*asked))
    window = MessageSweep.REMEMBERED + 4 * readers + MessagesStream.THREADS_PER_STATE
    assert again <= window * (len(outputs) - 1) + len(account.archived_ids())
    (line, *_) = of_reserve(outputs[0])
    left = len(set().union(*asked[1:]) - set(asked[0]))
    (to_come,) = map(int, re.findall(r"; threads left to read: (\d+)", line))
    archived = len(account.archived_ids())  # a list of their own, which comes later
    assert left - archived <= to_come <= left + window


@pytest.mark.parametrize("purged", [1, 9, 10])
def test_a_sweep_goes_on_though_threads_where_it_ended_are_gone(
    tmp_path: Path, purged: int
) -> None:
    """Only if none of the last ones is left, it begins again."""
    account = Account(size=150, now=None, shape=Shape(closed=0.0))
    contract = Contract()
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        before = run_until_the_reserve(
            tmp_path, hubspot, streams=("messages",), **SWEPT
        )
        state = before.states[-1]
        state["bookmarks"]["messages"]["sweep_began_at"] = "2020-01-01T00:00:00Z"
        for thread in account.live_ids():
            account.comment(thread)
        contract.daily_limit = 100
        hubspot.begin_day()
        cut = run_until_the_reserve(
            tmp_path, hubspot, state=state, streams=("messages",), **SWEPT
        )
        after = cut.states[-1]["bookmarks"]["messages"]["sweep"]["after"]
        assert len(after) == MessageSweep.REMEMBERED == 10
        for thread in after[-purged:]:
            account.purge(thread)
        hubspot.begin_day()
        rest, asked = sweep_for_days(tmp_path, hubspot, cut.states[-1])
    has_begun_again = len({key[0] for key in table(cut)} & set().union(*asked)) > 30
    assert has_begun_again == (purged == 10)
    assert truth(account).items() <= table(before, cut, *rest).items()


@pytest.mark.parametrize(
    "edited",
    [
        None,
        "x",
        [],
        {},
        {"part": 1},
        {"part": 2},
        {"part": -1},
        {"part": "1"},
        {"part": None},
        {"after": None},
        {"after": "x"},
        {"after": [1, None]},
        {"after": ["no such thread"]},
        {"began_at": "yesterday"},
        {"began_at": "2040-01-01T00:00:00Z"},
        {"closed_since": None},
        {"closed_since": "2040-01-01T00:00:00Z"},
    ],
    ids=str,
)
def test_an_edited_state_of_an_unfinished_sweep_hides_nothing(edited: t.Any) -> None:
    """The sweep then reads too much rather than too little."""
    account = aged(size=40, closed=0.5)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot, **SWEPT)
        account.clock.advance(hours=12)
        for thread in account.live_ids():
            account.comment(thread)
        open_ids = {r["id"] for r in account.threads() if r["status"] == "OPEN"}
        unfinished = {
            "began_at": first.states[-1]["bookmarks"]["messages"]["sweep_began_at"],
            "closed_since": first.states[-1]["bookmarks"]["messages"]["closed_since"],
            "part": 0,
            "after": [],
        }
        is_sweep = isinstance(edited, dict) and edited
        state = first.states[-1]
        state["bookmarks"]["messages"]["sweep"] = (
            unfinished | edited if is_sweep else edited
        )
        second = run(hubspot, state=state, **SWEPT)
        account.clock.advance(hours=12)
        account.close(min(open_ids))
        third = run(hubspot, state=second.states[-1], **SWEPT)
    kept = second.states[-1]["bookmarks"]["messages"]
    assert "sweep" not in kept
    if edited != {"part": 1}:  # which says that only the trash is left
        expected = truth(account, lambda row: row["id"] in open_ids - {min(open_ids)})
        assert expected.items() <= table(second).items()
    assert truth(account, lambda row: row["id"] == min(open_ids)).items() <= (
        table(second, third).items()
    )


def test_a_thread_that_is_archived_while_a_sweep_reads_is_not_left_out() -> None:
    """The trash is listed again after the live threads."""
    account = aged(size=60, closed=0.0)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot, **SWEPT)
        account.clock.advance(hours=12)
        for thread in account.live_ids():
            account.comment(thread)
        moved = account.live_ids()[0]

        def archive(seen: t.Any) -> None:
            if seen.endpoint == "threads" and seen.param("sort") == "id":
                is_live_listing = seen.param("archived") != "true"
                if is_live_listing and not account.thread(moved)["archived"]:
                    account.archive(moved)

        hubspot.before_any_request = archive
        second = run(hubspot, state=first.states[-1], **SWEPT)
    assert account.thread(moved)["archived"]
    assert table(first, second).keys() == truth(account).keys()


def test_an_app_is_not_told_the_limit_and_just_runs() -> None:
    """With OAuth, no answer names the daily limit."""
    account = Account(size=60)
    contract = Contract(daily_limit=1_000, daily_used=900)
    with FakeHubSpot(account, contract) as hubspot:
        app = oauth_settings(hubspot, include_messages=True, daily_limit_reserve=50)
        output = run_here(app, catalog=select(streams=STREAMS))
    assert table(output) == truth(account)


DAYS = 9


def without_reserve(directory: Path, readers: int) -> tuple[Account, list[Output]]:
    """Read messages on some days, of which all but the last use the limit up."""
    account = Account(size=120)
    more = {"daily_limit_reserve": 0, "max_parallel_requests": readers}
    outputs: list[Output] = []
    with FakeHubSpot(account, Contract(daily_limit=100), token=TOKEN) as hubspot:
        while not outputs or (of_reserve(outputs[-1]) and len(outputs) < DAYS):
            hubspot.begin_day()
            state = outputs[-1].states[-1] if outputs else None
            output = run_until_the_reserve(
                directory, hubspot, state=state, streams=("messages",), **more
            )
            outputs.append(output)
    return account, outputs


@pytest.mark.parametrize("readers", [1, 8])
def test_without_a_reserve_nothing_is_lost(tmp_path: Path, readers: int) -> None:
    """The next days complete the table."""
    account, outputs = without_reserve(tmp_path, readers)
    assert outputs[0].states
    assert table(outputs[0]).keys() < truth(account).keys()
    assert table(*outputs) == truth(account)
    messages = [message for output in outputs for message in output.messages]
    missing = missing_at_states(Output(messages, 0), account)
    assert {key for key in missing if key[0] != "actor"} == set()
    assert outputs[-1].code == 0


@pytest.mark.parametrize("readers", [1, 8])
def test_a_run_without_a_reserve_ends_well(tmp_path: Path, readers: int) -> None:
    """If the limit is used up, the stream stops as it does at a reserve."""
    _, outputs = without_reserve(tmp_path, readers)
    assert {output.code for output in outputs} == {0}
    assert 2 <= len(outputs) < DAYS


def test_several_inboxes_share_the_limit(tmp_path: Path) -> None:
    """Each goes on where it was, and the last one gets its turn."""
    account = Account(size=150)
    inboxes = [481_939, 519_204, 77_310_042, 1_204]
    outputs: list[Output] = []
    with FakeHubSpot(account, Contract(daily_limit=LIMIT), token=TOKEN) as hubspot:
        while not outputs or of_reserve(outputs[-1]):
            state = outputs[-1].states[-1] if outputs else None
            output = run_until_the_reserve(
                tmp_path, hubspot, state=state, inbox_ids=inboxes, streams=STREAMS
            )
            outputs.append(output)
            hubspot.begin_day()
    assert 2 <= len(outputs) <= 4
    assert [output.code for output in outputs] == [0] * len(outputs)
    assert table(*outputs) == truth(account)


def test_a_sweep_brings_what_was_closed_while_the_first_load_went_on(
    tmp_path: Path,
) -> None:
    """Threads that the first day has read may be closed before the last day."""
    account = Account(size=130, now=None, shape=Shape(closed=0.8))
    outputs: list[Output] = []
    with FakeHubSpot(account, Contract(daily_limit=LIMIT), token=TOKEN) as hubspot:
        while not outputs or of_reserve(outputs[-1]):
            state = outputs[-1].states[-1] if outputs else None
            output = run_until_the_reserve(
                tmp_path, hubspot, state=state, streams=("messages",), **SWEPT
            )
            outputs.append(output)
            for thread in {key[0] for key in table(*outputs)}:
                if len(outputs) == 1 and account.thread(thread)["status"] == "OPEN":
                    account.close(thread)
            hubspot.begin_day()
    assert len(outputs) > 1
    assert table(*outputs) == truth(account)


def test_with_everything_reserved_no_history_is_read(tmp_path: Path) -> None:
    """With 100, everything else is complete, and the warning has no estimate."""
    account = Account(size=60)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_until_the_reserve(tmp_path, hubspot, daily_limit_reserve=100)
        assert not hubspot.requests_for("messages")
    assert output.code == 0
    assert len(rows_of(output, "threads")) == 60
    (line,) = of_reserve(output)
    assert "days" not in line


# Actors.


@pytest.mark.parametrize("customers", [False, True])
def test_everybody_whom_messages_mention_is_written_once(customers: bool) -> None:
    """Senders, recipients, authors and assignees, and customers if they are wanted."""
    account = Account(size=80, shape=Shape(archived=0.1))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run(hubspot, include_visitors=customers, **SWEPT)
    ids = [row["id"] for row in rows_of(output, "actors")]
    rows = truth(account).values()
    assert sorted(ids) == sorted(actors_of(rows) if customers else colleagues_of(rows))
    assert len(ids) > 20
    assert any(i.startswith("V-") for i in ids) == customers


# Privacy.


def test_words_are_only_in_the_rows(tmp_path: Path) -> None:
    """Not in the log at its most detailed, in STATE, or in the rows of threads."""
    account = Account(size=60, shape=Shape(truncated=0.5, archived=0.1, unicode=True))
    more = {"include_original_content": True, "max_retry_seconds": 60, **SWEPT}
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        for n, fault in enumerate((Fault.half_json(), Fault.status(503), Fault.cut())):
            hubspot.faults.add(fault, at=3 * n + 1, on="messages")
            hubspot.faults.add(fault, at=3 * n + 2, on="original-content")
        output = run_tap(
            tmp_path,
            config(hubspot, **more),
            catalog=select(streams=ALL),
            env={"LOGLEVEL": "DEBUG"},
        )
    assert output.code == 0
    assert len(output.warnings) >= 3
    assert "canary" in json.dumps(rows_of(output)).lower()
    threads = json.dumps(rows_of(output, "threads"))
    for text in (output.stderr, json.dumps(output.states), threads):
        assert "canary" not in text.lower()


SPOILED: dict[str, Callable[[t.Any], object]] = {
    "no results": lambda content: content.pop("results"),
    "a row without ID": lambda content: content["results"].append({"text": "canary"}),
    "a text as a row": lambda content: content["results"].append("canary"),
    "a text as paging": lambda content: content.update(paging="canary"),
    "no words": lambda content: content.update(
        text={"of": "canary"}, richText=["canary"]
    ),
}


@pytest.mark.parametrize("name", SPOILED)
@pytest.mark.parametrize("endpoint", ["messages", "original-content"])
def test_an_error_quotes_no_words(name: str, endpoint: t.Any) -> None:
    """Whatever is wrong with an answer, the error and the log name only the kind."""
    account = Account(size=20, shape=Shape(truncated=0.5))

    def spoil(content: t.Any) -> None:
        with contextlib.suppress(KeyError):
            SPOILED[name](content)

    with FakeHubSpot(account, token=TOKEN) as hubspot, captured_log() as log:
        hubspot.faults.add(Fault.edited(spoil), on=endpoint)
        error = ""
        try:
            output = run(hubspot, include_original_content=True)
        except HubSpotError as raised:
            error = str(raised)
        else:
            assert table(output).keys() == truth(account).keys()
    has_failed = endpoint == "messages" and name != "no words"
    assert bool(error) == has_failed
    assert "canary" not in (error + log.getvalue()).lower()


def test_an_id_of_a_message_is_not_in_the_log(tmp_path: Path) -> None:
    """That of WhatsApp is made of the customer's number."""
    account = Account()
    thread = account.create()
    account.message(thread, id="wamid.canary", truncationStatus="TRUNCATED")
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.status(500), on="original-content")
        output = run_command_here(
            tmp_path,
            config(hubspot, include_original_content=True, max_retry_seconds=0),
            catalog=select(streams=STREAMS),
        )
    assert output.code == 1
    assert "canary" not in output.stderr.lower()


def test_no_message_is_read_unless_it_is_asked_for() -> None:
    """Both the setting and the catalog must say so."""
    names = {stream["tap_stream_id"] for stream in discover()["streams"]}
    assert "messages" not in names
    with FakeHubSpot(Account(size=10), token=TOKEN) as hubspot:
        outputs = [
            run(hubspot, include_messages=False, streams=ALL),
            run(hubspot, streams=("threads", "actors")),
        ]
        assert not hubspot.requests_for("messages")
    for output in outputs:
        assert "messages" not in {m.get("stream") for m in output.messages}


def test_the_catalog_needs_no_credential() -> None:
    """It can be made before there is one, as without messages."""
    tap = TapHubSpotThreads(
        config={"include_messages": True}, validate_config=False, setup_mapper=False
    )
    names = {stream["tap_stream_id"] for stream in tap.catalog_dict["streams"]}
    assert names == {*ALL}


def test_deselected_fields_are_not_written() -> None:
    """Whoever they mention is found all the same."""
    account = Account(size=40)
    words = ("text", "richText", "subject", "senders", "recipients", "createdBy")
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        catalog = select(*words, "id", "conversationsThreadId", streams=STREAMS)
        output = run_here(config(hubspot), catalog=catalog)
    rows = rows_of(output)
    kept = SCHEMA["properties"].keys() - {*words}
    assert all(row.keys() == kept for row in rows)
    named = {row["id"] for row in rows_of(output, "actors")}
    assert named == colleagues_of(truth(account).values())
    (schema,) = [
        m
        for m in output.messages
        if m["type"] == "SCHEMA" and m["stream"] == "messages"
    ]
    assert not schema["schema"]["properties"].keys() & {*words}


def test_flat_rows_have_the_columns_of_their_schema() -> None:
    """With `flattening_enabled`, no member of an object gets lost."""
    with FakeHubSpot(Account(size=20), token=TOKEN) as hubspot:
        output = run(hubspot, flattening_enabled=True, flattening_max_depth=2)
    (schema,) = [
        m
        for m in output.messages
        if m["type"] == "SCHEMA" and m["stream"] == "messages"
    ]
    columns = schema["schema"]["properties"].keys()
    for row in rows_of(output):
        assert row.keys() == columns


def test_stream_maps_can_take_words_away() -> None:
    """Texts are dropped or hashed before they leave the tap."""
    account = Account(size=40)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        maps = {"text": None, "subject": "md5(subject or '')"}
        output = run(hubspot, stream_maps={"messages": maps})
    for row in rows_of(output):
        assert "text" not in row
        assert re.fullmatch("[0-9a-f]{32}", row["subject"])
    assert len(rows_of(output)) == len(truth(account))


# Refusals.


@pytest.mark.parametrize("sweep", [{}, SWEPT])
@pytest.mark.parametrize("readers", [1, 8])
def test_a_refusal_ends_the_run_when_all_else_is_written(
    tmp_path: Path, readers: int, sweep: dict[str, int]
) -> None:
    """One line names the stream and the remedy, and the next run begins anew."""
    account = Account(size=60)
    contract = Contract(forbidden=("messages",))
    more = {"max_parallel_requests": readers, **sweep}
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_command_here(
            tmp_path, config(hubspot, **more), catalog=select(streams=ALL)
        )
        assert len(hubspot.requests_for("messages")) <= 2 * 4 * readers
        contract.forbidden = ()
        again = run(hubspot, state=output.states[-1], **SWEPT)
    assert output.code == 1
    (line,) = output.errors
    assert "`messages`" in line
    assert "403" in line
    assert "deselect" in line
    assert {r["id"] for r in rows_of(output, "threads")} == set(account.live_ids())
    assert rows_of(output, "actors")
    assert not rows_of(output)
    assert bookmark_of(output.states[-1]) == ""
    assert table(again) == truth(account)


def test_an_endpoint_that_is_missing_is_no_deletion(tmp_path: Path) -> None:
    """If HubSpot has the messages of no thread at all, the bookmark stays."""
    account = Account(size=60)
    contract = Contract(missing=("messages",))
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_command_here(
            tmp_path, config(hubspot), catalog=select(streams=ALL)
        )
    assert output.code == 1
    assert bookmark_of(output.states[-1]) == ""


# The rest.


def test_a_test_of_the_connection_asks_for_no_message(tmp_path: Path) -> None:
    """It costs what it costs without the stream."""
    with FakeHubSpot(Account(size=10), token=TOKEN) as hubspot:
        output = run_command_here(
            tmp_path, config(hubspot), "--test", catalog=select(streams=ALL)
        )
        assert not hubspot.requests_for("messages")
    assert output.code == 0
    assert rows_of(output, "threads")
    assert not rows_of(output)


@pytest.mark.parametrize("readers", [1, 8])
def test_with_batch_files_a_state_covers_only_what_is_in_them(
    tmp_path: Path, readers: int
) -> None:
    """Rows and actors are in a file before the STATE."""
    account = Account(size=120)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run(
            hubspot,
            max_parallel_requests=readers,
            batch_config=batches(tmp_path, 90),
        )
    assert not output.records
    records = [
        {"type": "RECORD", "stream": message["stream"], "record": row}
        for message in output.messages
        if message["type"] == "BATCH"
        for row in batch_rows(message)
    ]
    unpacked: list[t.Any] = []
    for message in output.messages:
        if message["type"] == "BATCH":
            count = len(batch_rows(message))
            unpacked += records[:count]
            del records[:count]
        else:
            unpacked.append(message)
    whole = Output(unpacked, 0)
    assert len([m for m in output.messages if m["type"] == "BATCH"]) > 6
    assert len({bookmark_of(state) for state in output.states}) > 3
    assert missing_at_states(whole, account) == set()
    assert table(whole) == truth(account)


def test_the_progress_tells_what_is_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threads are listed before the first history is read."""
    monkeypatch.setattr(ThreadProgress, "INTERVAL", 0.0)
    account = Account(size=100)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_command_here(
            tmp_path,
            config(hubspot, page_size=50, **SWEPT),
            catalog=select(streams=("messages",)),
        )
        changes = [s for s in hubspot.list_requests if s.param("sort") != "id"]
        assert len(changes) == 2
    lines = re.findall(
        r"Messages of live threads: (\d+) threads read, (\d+) to come, about (\d+) min "
        r"left; [\d.]+ requests a second, \d+% of HubSpot's limit in use",
        output.stderr,
    )
    assert [int(read) for read, _, _ in lines] == list(range(1, 101))
    assert {int(read) + int(left) for read, left, _ in lines} == {100}
    (end,) = [line for line in output.stderr.splitlines() if "Complete: " in line]
    rows = len(truth(account))
    requests = len(hubspot.requests)
    assert f"read {rows} rows and wrote {rows}, with {requests} requests in" in end
    assert f"bookmark {bookmark_of(output.states[-1])}; next sweep due at" in end


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 min"),
        (29, "0 min"),
        (90, "2 min"),
        (3_569, "59 min"),
        (3_571, "1 h 0 min"),
        (7_260, "2 h 1 min"),
        (86_399, "1 d 0 h"),
        (183_600, "2 d 3 h"),
    ],
)
def test_durations_are_named_in_their_largest_units(seconds: int, text: str) -> None:
    """Minutes, hours with minutes, or days with hours."""
    assert duration(seconds) == text


def test_all_readings_at_once_and_everything_selected(tmp_path: Path) -> None:
    """The awkward contract and account, with all streams, in one process."""
    account = Account(size=80, shape=Shape.awkward(archived=0.1))
    contract = Contract.awkward(moves=0)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_command_here(
            tmp_path,
            config(hubspot, max_parallel_requests=4, **SWEPT),
            catalog=None,
        )
    assert output.code == 0
    expected = truth(account, lambda row: is_live(row) or is_swept(row))
    assert table(output).keys() == expected.keys()
    assert {r["id"] for r in rows_of(output, "threads")} == {
        row["id"] for row in account.threads()
    }
