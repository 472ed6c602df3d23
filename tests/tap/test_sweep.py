"""The sweep: what it finds, when it is due, and what it costs."""

from __future__ import annotations

import random
import typing as t

import pytest

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.errors import HubSpotError
from tap_hubspot_threads.seen import SeenIds
from tap_hubspot_threads.tap import TapHubSpotThreads
from tests.fake_hubspot import Account, Contract, FakeHubSpot, Fault, FaultPlan, Shape
from tests.support import harness
from tests.support.harness import (
    TOKEN,
    Output,
    by_id,
    captured_stdout,
    run_here,
    select,
    written,
)

if t.TYPE_CHECKING:
    from tests.fake_hubspot import SeenRequest


def settings(url: str, **more: t.Any) -> dict[str, t.Any]:
    """Return a configuration in which the first run sweeps."""
    return harness.settings(url, page_size=50) | {"sweep_interval_hours": 12} | more


def truth(account: Account) -> dict[str, dict[str, t.Any]]:
    """Return the expected contents of the table."""
    return {row["id"]: written(row) for row in account.threads()}


def listings(requests: list[SeenRequest]) -> list[str]:
    """Return which listings were read, each once, in order."""
    names: list[str] = []
    for request in requests:
        name = "archived" if request.param("archived") == "true" else "live"
        name += f" by {request.param('sort')}"
        if not names or names[-1] != name or request.param("after") is None:
            names.append(name)
    return names


def aged(state: dict[str, t.Any], hours: float) -> dict[str, t.Any]:
    """Return a state whose sweep began a number of hours earlier."""
    bookmark = state["bookmarks"]["threads"]
    began = timestamps.shift(
        bookmark["sweep_began_at"], milliseconds=-int(hours * 3_600_000)
    )
    return {"bookmarks": {"threads": bookmark | {"sweep_began_at": began}}}


def test_the_first_run_writes_each_thread_once() -> None:
    """Changes and sweep together write the account once, live and archived."""
    account = Account(size=600, shape=Shape(archived=0.1))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url))
        read = listings(hubspot.requests)
    assert len(output.records) == 600
    assert by_id(output.records) == truth(account)
    assert read == [
        "live by latestMessageTimestamp",
        "live by id",
        "archived by id",
    ]


def test_threads_without_a_message_come_with_a_sweep() -> None:
    """Only a listing in ID order contains them."""
    account = Account(size=200, shape=Shape(silent=0.3))
    silent = {
        row["id"] for row in account.threads() if "latestMessageTimestamp" not in row
    }
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        with_sweep = run_here(settings(hubspot.url))
        without = run_here(settings(hubspot.url, sweep_interval_hours=0))
    assert silent <= by_id(with_sweep.records).keys()
    assert not silent & by_id(without.records).keys()


def test_a_due_sweep_brings_what_no_message_brought() -> None:
    """Closing, assigning, spam marks, tickets and archiving reach the table."""
    account = Account(size=500)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url)
        first = run_here(config)
        account.clock.advance(hours=13)
        ids = random.Random(3).sample(account.live_ids(), 60)
        for thread in ids[:10]:
            account.close(thread)
        for thread in ids[10:20]:
            account.assign(thread, "A-1")
        for thread in ids[20:30]:
            account.mark_spam(thread)
        for thread in ids[30:40]:
            account.link_ticket(thread, "77")
        for thread in ids[40:50]:
            account.archive(thread)
        for thread in ids[50:]:
            account.message(thread)
        not_due = run_here(config, state=first.states[-1])
        assert len(not_due.records) < 60
        due = run_here(config, state=aged(first.states[-1], hours=13))
    assert len(due.records) == len(by_id(due.records)) == 500
    assert by_id(due.records) == truth(account)


@pytest.mark.parametrize(
    ("hours", "interval", "sweeps"),
    [
        (11.9, 12, False),
        (12.1, 12, True),
        (0.2, 0.1, True),
        (0.05, 0.1, False),
        (1000, 0, False),
        (-5, 12, True),
    ],
)
def test_a_sweep_is_due_after_the_interval(
    hours: float, interval: float, sweeps: bool
) -> None:
    """The interval counts from the last sweep, unless that is in the future."""
    with FakeHubSpot(Account(size=10), token=TOKEN) as hubspot:
        config = settings(hubspot.url, sweep_interval_hours=interval)
        first = run_here(config | {"sweep_interval_hours": 12})
        hubspot.forget()
        second = run_here(config, state=aged(first.states[-1], hours))
        read = listings(hubspot.requests)
    assert ("live by id" in read) is sweeps
    began = second.bookmark["sweep_began_at"]
    assert (began >= first.bookmark["sweep_began_at"]) is (sweeps or hours < 0)


@pytest.mark.parametrize("moment", ["", "soon", 5, None, {}, [], True])
def test_a_sweep_mark_that_cannot_be_read_makes_a_sweep_due(moment: t.Any) -> None:
    """A state of another version, or edited by hand, costs a sweep, but no crash."""
    with FakeHubSpot(Account(size=10), token=TOKEN) as hubspot:
        state = {"bookmarks": {"threads": {"sweep_began_at": moment}}}
        output = run_here(settings(hubspot.url), state=state)
        assert "archived by id" in listings(hubspot.requests)
    assert output.bookmark["sweep_began_at"] > "2026"


def test_an_interrupted_sweep_is_due_again() -> None:
    """It is not recorded, and the progress of the changes is kept."""
    account = Account(size=300, shape=Shape(archived=0.2))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults = FaultPlan().add(
            Fault.status(404), when=lambda seen: seen.param("archived") == "true"
        )
        config = settings(hubspot.url)
        with captured_stdout() as stdout, pytest.raises(HubSpotError):
            run_here_into(config)
        failed = Output.parse(stdout.getvalue(), 1)
        assert "sweep_began_at" not in failed.bookmark
        reached = failed.bookmark["replication_key_value"]
        hubspot.faults = FaultPlan()
        hubspot.forget()
        again = run_here(config, state=failed.states[-1])
        bound = hubspot.requests[0].param("latestMessageTimestampAfter")
    assert bound == timestamps.shift(reached, milliseconds=-300_001)
    assert again.bookmark["sweep_began_at"]
    assert len(again.records) == len(by_id(again.records))
    assert by_id(failed.records + again.records) == truth(account)


def run_here_into(config: dict[str, t.Any]) -> None:
    """Run in this process, with stdout as it is."""
    TapHubSpotThreads(config=dict(config), catalog=select()).sync_all()


def test_archived_threads_can_be_left_out() -> None:
    """Then the trash is not even listed."""
    account = Account(size=100, shape=Shape(archived=0.5))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url, include_archived=False))
        assert "archived by id" not in listings(hubspot.requests)
    assert by_id(output.records).keys() == set(account.live_ids())


def test_the_start_date_holds_for_a_sweep() -> None:
    """The last message counts or, without one, the creation."""
    account = Account(size=600, shape=Shape(silent=0.2, archived=0.2))
    moments = {
        row["id"]: row.get("latestMessageTimestamp") or row["createdAt"]
        for row in account.threads()
    }
    start = sorted(moments.values())[300]
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url, start_date=start))
    expected = {thread for thread, moment in moments.items() if moment >= start}
    assert by_id(output.records).keys() == expected


@pytest.mark.parametrize("method", [None, "FULL_TABLE"])
def test_a_completed_sweep_ends_with_activate_version(method: str | None) -> None:
    """All rows of the run carry the version, and the message follows the last one."""
    account = Account(size=120, shape=Shape(archived=0.2))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(
            settings(hubspot.url, emit_activate_version_messages=True),
            catalog=select(method=method),
        )
    kinds = [message["type"] for message in output.messages]
    (activate,) = [m for m in output.messages if m["type"] == "ACTIVATE_VERSION"]
    versions = {m["version"] for m in output.messages if m["type"] == "RECORD"}
    assert versions == {activate["version"]}
    assert kinds.index("ACTIVATE_VERSION") > max(
        number for number, kind in enumerate(kinds) if kind == "RECORD"
    )
    marked = [
        "sweep_began_at" in m["value"]["bookmarks"]["threads"]
        for m in output.messages[kinds.index("ACTIVATE_VERSION") :]
        if m["type"] == "STATE"
    ]
    assert marked == [True]


def test_rows_between_two_sweeps_carry_the_version_of_the_first() -> None:
    """A target only deletes rows that have a version, so every row has one."""
    account = Account(size=60)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, emit_activate_version_messages=True)
        first = run_here(config)
        account.clock.advance(hours=1)
        account.message(account.live_ids()[0])
        second = run_here(config, state=first.states[-1])
    versions = {
        message["version"]
        for message in first.messages + second.messages
        if message["type"] == "RECORD"
    }
    assert len(versions) == 1
    assert second.records
    assert not [m for m in second.messages if m["type"] == "ACTIVATE_VERSION"]


def test_a_sweep_cut_short_sends_no_activate_version() -> None:
    """Threads that were not listed must not be deleted."""
    account = Account(size=200)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults = FaultPlan().add(Fault.status(400), at=6)
        config = settings(hubspot.url, emit_activate_version_messages=True)
        with captured_stdout() as stdout, pytest.raises(HubSpotError):
            run_here_into(config)
    failed = Output.parse(stdout.getvalue(), 1)
    assert failed.records
    assert not [m for m in failed.messages if m["type"] == "ACTIVATE_VERSION"]


@pytest.mark.parametrize("moment", [1, 2, 3, 4])
def test_a_thread_restored_during_a_sweep_is_not_lost(moment: int) -> None:
    """With versions, each thread that exists throughout appears in some listing."""
    account = Account(size=40)
    traveller = account.live_ids()[5]
    account.archive(traveller)
    with FakeHubSpot(account, token=TOKEN) as hubspot:

        def restore(number: int, _: SeenRequest) -> None:
            if number == moment:
                account.restore(traveller)

        hubspot.before_request = restore
        output = run_here(settings(hubspot.url, emit_activate_version_messages=True))
    assert by_id(output.records).keys() == truth(account).keys()


def test_each_inbox_has_its_own_requests_and_bookmark() -> None:
    """HubSpot accepts one inbox per request. A new inbox does not reset the others."""
    account = Account(size=400)
    one, two, three = (
        int(i) for i in sorted({row["inboxId"] for row in account.threads()})[:3]
    )
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, inbox_ids=[one, two])
        first = run_here(config)
        assert {r.param("inboxId") for r in hubspot.requests} == {str(one), str(two)}
        assert {row["inboxId"] for row in first.records} == {str(one), str(two)}
        hubspot.forget()
        config = settings(
            hubspot.url, inbox_ids=[one, two, three], sweep_interval_hours=0
        )
        second = run_here(config, state=first.states[-1])
        bounds = {
            r.param("inboxId"): r.param("latestMessageTimestampAfter")
            for r in reversed(hubspot.requests)
        }
    assert bounds[str(three)] == timestamps.EPOCH
    assert min(bounds[str(one)] or "", bounds[str(two)] or "") > timestamps.EPOCH
    expected = {
        row["id"]
        for row in account.threads()
        if int(row["inboxId"]) in {one, two, three}
    }
    assert by_id(first.records + second.records).keys() == expected
    contexts = [p["context"] for p in second.bookmark["partitions"]]
    assert contexts == [{"inboxId": str(i)} for i in (one, two, three)]


@pytest.mark.parametrize("ignored", [True, False])
def test_a_status_is_also_checked_in_the_rows(ignored: bool) -> None:
    """HubSpot has been reported to ignore `threadStatus` on its own."""
    account = Account(size=200)
    contract = Contract(status_ignored=ignored)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url, thread_status="OPEN"))
        assert {r.param("threadStatus") for r in hubspot.requests} == {"OPEN"}
    expected = {r["id"] for r in account.threads() if r["status"] == "OPEN"}
    assert by_id(output.records).keys() == expected


def test_a_contact_and_a_ticket_are_asked_for() -> None:
    """Each listing has both filters, and the status that a contact requires."""
    account = Account(size=30)
    thread = account.create(
        associatedContactId="4711", status="OPEN", latestMessageTimestamp=None
    )
    account.link_ticket(thread, "99")
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(
            settings(
                hubspot.url,
                associated_contact_id=4711,
                associated_ticket_id=99,
                thread_status="OPEN",
            )
        )
        seen = {
            (r.param("associatedContactId"), r.param("associatedTicketId"))
            for r in hubspot.requests
        }
    assert seen == {("4711", "99")}
    assert [row["id"] for row in output.records] == [thread]


def test_remembered_ids_are_exact() -> None:
    """Leading zeros are told apart, and other texts are remembered as well."""
    ids = ["7", "007", "9" * 18, "9" * 30, str(2**63), "abc", "0", "٣", "", "-7"]
    remembered = SeenIds()
    for number in ids[::2]:
        assert remembered.add(number)
        assert not remembered.add(number)
    assert [number in remembered for number in ids] == [True, False] * 5
    remembered.update(["9" * 30, "٣", "8"])
    assert "8" in remembered
    assert "٣" in remembered
    edge = 1024 << 32  # from here on they take more bytes
    near = [edge + n * 512 for n in range(-100, 100)]
    for numbers in (near, range(10**9), range(10**12), range(10**14), range(10**18)):
        sample = random.Random(1).sample(numbers, min(20_000, len(numbers)))
        known, unknown = sample[::2], sample[1::2]
        remembered = SeenIds()
        assert all(remembered.add(str(number)) for number in known)
        assert not any(remembered.add(str(number)) for number in known)
        assert all(str(number) in remembered for number in known)
        assert not any(str(number) in remembered for number in unknown)


@pytest.mark.parametrize("moment", ["1969-12-31T23:59:59.999Z", "0001-01-01T00:00:00Z"])
def test_a_thread_from_before_1970_comes_with_a_sweep(moment: str) -> None:
    """Without a start date, no date is too early."""
    account = Account(size=30)
    old = account.create(latestMessageTimestamp=moment)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url))
    assert old in by_id(output.records)


@pytest.mark.parametrize("most", [0, 50])
def test_a_listing_that_is_cut_short_deletes_nothing(
    most: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A sweep must also find every thread that the changes have found."""
    account = Account(size=200)

    def cut(body: dict[str, t.Any]) -> None:
        body["results"] = body["results"][:most]
        body.pop("paging", None)

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, emit_activate_version_messages=True)
        hubspot.faults.add(
            Fault.edited(cut), when=lambda seen: seen.param("sort") == "id"
        )
        output = run_here(config)
    assert "ACTIVATE_VERSION" not in [m["type"] for m in output.messages]
    assert any("no thread is deleted" in line for line in caplog.messages)
