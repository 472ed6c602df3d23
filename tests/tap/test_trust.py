"""No single row or clock can hide a thread.

HubSpot's index can lag behind its rows, a row can have a date in the future, a cursor
can repeat, and any clock can be wrong. None of this may hide a thread from a run, from
the next run, or from a table that honors ACTIVATE_VERSION.
"""

from __future__ import annotations

import gzip
import json
import signal
import time
import typing as t
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from tests.fake_hubspot import (
    Account,
    Contract,
    FakeHubSpot,
    Fault,
    FaultPlan,
    SeenRequest,
    Shape,
)
from tests.support.harness import (
    TOKEN,
    Output,
    by_id,
    run_command_here,
    run_here,
    settings,
    start_tap,
)

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable

    Message: t.TypeAlias = dict[str, t.Any]
    Row: t.TypeAlias = dict[str, t.Any]
    Event: t.TypeAlias = Callable[[Account], object]

DAY = 86_400
HOUR_MS = 3_600_000
NOW = "2026-06-01T12:00:00.000Z"


def ids(account: Account) -> set[str]:
    """Return the ids of all threads of an account."""
    return {*account.live_ids(), *account.archived_ids()}


def bookmark_of(state: dict[str, t.Any]) -> str:
    """Return the bookmark of a state without partitions, or empty text."""
    bookmark: dict[str, t.Any] = state.get("bookmarks", {}).get("threads", {})
    return str(bookmark.get("replication_key_value", ""))


def uncovered(
    messages: Iterable[Message], places: dict[str, str]
) -> dict[str, set[str]]:
    """Return, by bookmark, the threads that it covers but that were written only later.

    A bookmark covers a thread if the thread's place is before it. If a row shows a
    later moment than its place, the next run still lists it by its place.
    """
    found: set[str] = set()
    missing: dict[str, set[str]] = {}
    for message in messages:
        if message["type"] == "RECORD":
            found.add(message["record"]["id"])
        elif message["type"] == "BATCH":
            found |= by_id(rows_of(message)).keys()
        elif message["type"] == "STATE":
            reached = bookmark_of(message["value"])
            covered = {thread for thread, place in places.items() if place < reached}
            if not covered <= found:
                missing[reached] = covered - found
    return missing


def rows_of(message: Message) -> list[Row]:
    """Return the rows in the files of a BATCH message."""
    paths = [Path(url2pathname(urlsplit(url).path)) for url in message["manifest"]]
    texts = [gzip.decompress(path.read_bytes()) for path in paths]
    return [json.loads(line) for text in texts for line in text.splitlines()]


class Table:
    """A target that upserts by id and honors ACTIVATE_VERSION."""

    def __init__(self, *outputs: Output) -> None:
        self.rows: dict[str, int | None] = {}
        """The version of each row, by id."""
        for output in outputs:
            self.load(output)

    def load(self, output: Output) -> None:
        """Load the output of a run."""
        for message in output.messages:
            if message["type"] == "RECORD":
                self.rows[message["record"]["id"]] = message.get("version")
            elif message["type"] == "ACTIVATE_VERSION":
                version = message["version"]
                self.rows = {
                    thread: of
                    for thread, of in self.rows.items()
                    if of is None or of >= version
                }


def milliseconds(account: Account) -> int:
    """Return HubSpot's clock in the unit of the tap's clock."""
    return account.clock.us // 1000


# A row that is newer than its place.

NEWER = {
    "last row by 5 s": (40, 0.0002, Shape(), Contract(newer_last=5)),
    "last row by 90 days": (40, 3.0, Shape(), Contract(newer_last=90 * DAY)),
    "3 in 100 by up to 120 days": (40, 3.0, Shape(newer=0.03), Contract()),
    "1 in 1,000 by up to 120 days": (80, 3.0, Shape(newer=0.001), Contract()),
}
"""Pages of the account, years that it covers, its shape, and the contract.

If many rows are newer, the disorder is visible at once. If few are, a run that trusts
the order is far ahead before it sees one.
"""


@pytest.mark.parametrize("newer", NEWER)
@pytest.mark.parametrize("sweeps", [False, True], ids=["changes", "sweep"])
@pytest.mark.parametrize("readers", [1, 4, 8])
def test_a_row_newer_than_its_place_hides_no_thread(
    newer: str, sweeps: bool, readers: int
) -> None:
    """Every thread is written, and no STATE covers one that was not written yet."""
    pages, years, shape, contract = NEWER[newer]
    account = Account(size=50 * pages, seed=2, now=NOW, years=years, shape=shape)
    places = account.places()
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        config = settings(
            hubspot.url, page_size=50, max_parallel_requests=readers, lookback_seconds=0
        )
        if sweeps:
            config |= {
                "sweep_interval_hours": 12,
                "emit_activate_version_messages": True,
            }
        first = run_here(config)
        assert by_id(first.records).keys() == ids(account)
        assert not uncovered(first.messages, places)
        assert len({bookmark_of(state) for state in first.states}) > 5
        if not sweeps:
            check_that_any_state_can_be_resumed(account, config, first)


@pytest.mark.parametrize(
    ("readers", "number", "sweeps"),
    [
        (1, 19, False),
        (4, 7, False),
        (4, 19, True),
        (4, 40, False),
        (8, 7, False),
        (8, 22, False),
        (8, 40, True),
    ],
)
def test_one_page_that_ends_with_a_newer_row_hides_no_thread(
    readers: int, number: int, sweeps: bool
) -> None:
    """The last row of a single page does not decide how far the page reaches."""
    account = Account(size=2_000, now=NOW)
    places = account.places()
    with FakeHubSpot(account, token=TOKEN) as hubspot:

        def before(at: int, _: SeenRequest) -> None:
            hubspot.contract = Contract(newer_last=90 * DAY if at == number else 0)

        hubspot.before_request = before
        output = run_here(
            settings(
                hubspot.url,
                page_size=25,
                max_parallel_requests=readers,
                lookback_seconds=0,
                sweep_interval_hours=12 * sweeps,
            )
        )
    assert by_id(output.records).keys() == ids(account)
    assert not uncovered(output.messages, places)
    assert len({bookmark_of(state) for state in output.states}) > 5


def check_that_any_state_can_be_resumed(
    account: Account, config: dict[str, t.Any], first: Output
) -> None:
    """Run again from some STATEs of a run, after some messages."""
    account.clock.advance(hours=1)
    changed = account.live_ids()[7::400]
    for thread in changed:
        account.message(thread)
    at = [n for n, m in enumerate(first.messages) if m["type"] == "STATE"]
    for number in (at[len(at) // 2], at[-1]):
        before = Output(first.messages[:number], 0)
        state = first.messages[number]["value"]
        second = run_here(config, state=state)
        rows = by_id(before.records + second.records)
        assert rows.keys() == ids(account)
        for thread in changed:
            field = "latestMessageTimestamp"
            assert rows[thread][field] == account.thread(thread)[field]


@pytest.mark.parametrize("readers", [1, 4])
@pytest.mark.parametrize("page_size", [3, 5])
def test_a_repeated_cursor_on_a_page_with_a_newer_row_skips_nothing(
    page_size: int, readers: int
) -> None:
    """The listing does not continue from a moment that only this row shows."""
    account = Account(now="2025-01-01T00:00:00.000Z")
    for _ in range(60):
        account.clock.advance(days=1)
        account.create()
    account.clock.advance(days=300)
    newer = account.live_ids()[page_size * 4 - 1]
    account.message(newer, at="2025-08-01T00:00:00.000Z", indexed=False)
    contract = Contract(loop_at=4, loop_times=1)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_here(
            settings(hubspot.url, page_size=page_size, max_parallel_requests=readers)
        )
    assert by_id(output.records).keys() == ids(account)


# Rows and clocks that are ahead.


@pytest.mark.parametrize("readers", [1, 4])
@pytest.mark.parametrize("ahead_hours", [3, 30 * 24])
@pytest.mark.parametrize("tap_ahead_days", [0, 1])
def test_a_thread_from_the_future_does_not_hide_the_present(
    tap_ahead_days: int, ahead_hours: int, readers: int
) -> None:
    """The bookmark is the newest row that is not in the future by HubSpot's clock.

    So the next run finds a message that arrives now, even if the tap's clock is ahead.
    """
    account = Account(size=300, now=NOW)
    newest = max(account.places().values())
    first, second, sent = around_a_message_from_the_future(
        account, Contract(), ahead_hours, tap_ahead_days, readers
    )
    assert sent <= {row["latestMessageTimestamp"] for row in second.records}
    assert bookmark_of(first.states[-1]) == newest


@pytest.mark.parametrize("ahead_hours", [3, 30 * 24])
@pytest.mark.parametrize(
    "contract",
    [
        Contract(date_skew_seconds=DAY),
        Contract(date_skew_seconds=-DAY),
        Contract(date="missing"),
        Contract(date="unreadable"),
    ],
    ids=["ahead", "behind", "missing", "unreadable"],
)
def test_a_wrong_date_header_does_not_hide_the_present(
    contract: Contract, ahead_hours: int
) -> None:
    """If the tap's own clock is right, no Date header makes it skip a message."""
    account = Account(size=300, now=NOW)
    _, second, sent = around_a_message_from_the_future(
        account, contract, ahead_hours, 0, 1
    )
    assert sent <= {row["latestMessageTimestamp"] for row in second.records}


def around_a_message_from_the_future(
    account: Account,
    contract: Contract,
    ahead_hours: int,
    tap_ahead_days: int,
    readers: int,
) -> tuple[Output, Output, set[str]]:
    """Run, send an ordinary message, and run again; one thread is dated in the future.

    Returns:
        Both runs, and the moment of the message.
    """
    newest = max(account.places().values())
    account.clock.advance(60)
    future = milliseconds(account) + ahead_hours * HOUR_MS
    moment = datetime.fromtimestamp(future / 1000, UTC)
    account.message(account.live_ids()[5], at=moment)
    account.message(account.live_ids()[6], at=newest)
    skew = tap_ahead_days * 24 * HOUR_MS
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        config = settings(hubspot.url, page_size=10, max_parallel_requests=readers)
        first = run_here(config, began=milliseconds(account) + skew)
        assert by_id(first.records).keys() == ids(account)
        account.clock.advance(600)
        account.message(account.live_ids()[0])
        sent = account.clock.text
        account.clock.advance(60)
        second = run_here(
            config, state=first.states[-1], began=milliseconds(account) + skew
        )
    return first, second, {sent}


@pytest.mark.parametrize("tap_ahead_hours", [0, 1])
def test_a_long_run_does_not_pass_a_message_that_the_index_has_late(
    tap_ahead_hours: int,
) -> None:
    """The overlap is counted from the start of the run, by HubSpot's clock.

    A message becomes visible three minutes late, behind the page that was read last.
    The overlap is five minutes, but the run takes longer than that.
    """
    account = Account(now=NOW)
    for _ in range(6):
        account.clock.advance(600)
        account.create()
    account.clock.advance(600)
    late, *others = account.live_ids()
    sent: list[str] = []

    def before(number: int, _: SeenRequest) -> None:
        if number == 3:
            account.message(late, indexed=False)
            sent.append(account.clock.text)
            account.clock.advance(60)
            for thread in others[:3]:
                account.message(thread)
        elif number == 5:
            account.clock.advance(120)
            account.reindex()
            account.clock.advance(300)
            account.message(others[3])

    ahead = tap_ahead_hours * HOUR_MS
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.before_request = before
        config = settings(hubspot.url, page_size=2, lookback_seconds=300)
        first = run_here(config, began=milliseconds(account) + ahead)
        hubspot.before_request = None
        account.clock.advance(600)
        second = run_here(
            config, state=first.states[-1], began=milliseconds(account) + ahead
        )
    assert set(sent) <= {row["latestMessageTimestamp"] for row in second.records}


@pytest.mark.parametrize("date", ["right", "missing"])
def test_a_clock_that_is_set_back_still_deletes(date: t.Any) -> None:
    """Versions never decrease from run to run, and purged rows are deleted."""
    account = Account(size=60, now=NOW)
    table = Table()
    versions: list[int] = []
    state = None
    with FakeHubSpot(account, Contract(date=date), token=TOKEN) as hubspot:
        config = settings(
            hubspot.url, sweep_interval_hours=12, emit_activate_version_messages=True
        )
        for hours_back in (0, 48, 48, 48):
            account.clock.advance(hours=1 if hours_back == 0 else 13)
            gone = account.live_ids()[3]
            account.purge(gone)
            began = milliseconds(account) - hours_back * HOUR_MS
            output = run_here(config, state=state, began=began)
            state = output.states[-1]
            table.load(output)
            versions += [m["version"] for m in output.messages if "version" in m]
            assert table.rows.keys() == ids(account)
    assert versions == sorted(versions)


# ACTIVATE_VERSION must not delete an existing thread.


def account_of(*inboxes: int) -> Account:
    """Make an account with seven threads in each inbox, a third of them in the trash.

    Every call returns the same account.
    """
    account = Account(now="2026-03-01T00:00:00.000Z")
    for _ in range(7):
        for inbox in inboxes:
            account.clock.advance(hours=1)
            account.create(inboxId=str(inbox))
    for thread in account.live_ids()[1::3]:
        account.archive(thread)
    account.clock.advance(hours=1)
    return account


def of_inbox(account: Account, inbox: int, *, archived: bool = False) -> list[str]:
    """Return the IDs of an inbox, in order."""
    return [
        row["id"]
        for row in account.threads()
        if row["inboxId"] == str(inbox) and row["archived"] is archived
    ]


EVENTS: dict[str, tuple[Contract, Event]] = {
    "moves to the first inbox": (
        Contract(),
        lambda account: account.move(of_inbox(account, 22)[-1], 11),
    ),
    "moves to the last inbox": (
        Contract(),
        lambda account: account.move(of_inbox(account, 11)[-1], 22),
    ),
    "is restored": (
        Contract(),
        lambda account: account.restore(of_inbox(account, 22, archived=True)[0]),
    ),
    "is archived": (
        Contract(),
        lambda account: account.archive(of_inbox(account, 22)[-2]),
    ),
    "slips as an earlier one is archived": (
        Contract(cursor="offset"),
        lambda account: account.archive(of_inbox(account, 22)[0]),
    ),
    "slips as an earlier one is restored": (
        Contract(cursor="offset"),
        lambda account: account.restore(of_inbox(account, 22, archived=True)[0]),
    ),
}


@pytest.mark.parametrize("what", EVENTS)
def test_activate_version_deletes_no_living_thread(what: str) -> None:
    """Whatever a thread does during a sweep, at any request, its row stays."""
    contract, event = EVENTS[what]
    more = {
        "sweep_interval_hours": 12,
        "emit_activate_version_messages": True,
    }
    first: Output | None = None
    deleted: dict[int, set[str]] = {}
    number, requests = 0, 1
    while number <= requests:
        account = account_of(11, 22)
        with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
            config = settings(hubspot.url, page_size=2, inbox_ids=[11, 22], **more)
            first = first or run_here(config, began=milliseconds(account))
            account.clock.advance(hours=13)
            hubspot.forget()

            def happen(at: int, _: SeenRequest, number: int = number) -> None:
                if at == number:
                    event(account)  # noqa: B023 - called before the next round

            hubspot.before_request = happen
            second = run_here(
                config, state=first.states[-1], began=milliseconds(account)
            )
            requests = len(hubspot.requests)
        assert [m for m in second.messages if m["type"] == "STATE"]
        missing = ids(account) - Table(first, second).rows.keys()
        if missing:
            deleted[number] = missing
        number += 1
    assert number > 8, "there was nothing to disturb"
    assert not deleted, f"deleted by the number of the request, of {requests}"


@pytest.mark.parametrize("readers", [1, 4])
@pytest.mark.parametrize("page_size", [1, 10])
def test_activate_version_deletes_no_thread_that_is_newer_than_its_place(
    page_size: int, readers: int
) -> None:
    """A sweep neither leaves out such a row nor ends at it."""
    account = Account(now="2025-01-01T00:00:00.000Z")
    for _ in range(60):
        account.clock.advance(days=1)
        account.create()
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(
            hubspot.url,
            page_size=page_size,
            max_parallel_requests=readers,
            sweep_interval_hours=12,
            emit_activate_version_messages=True,
        )
        first = run_here(config, began=milliseconds(account))
        account.clock.advance(days=1)
        account.message(account.live_ids()[19], indexed=False)
        second = run_here(config, state=first.states[-1], began=milliseconds(account))
    assert [m for m in second.messages if m["type"] == "ACTIVATE_VERSION"]
    assert Table(first, second).rows.keys() == ids(account)


def test_ids_that_are_sorted_as_text_do_not_end_a_sweep() -> None:
    """A sweep in ID order completes and finds every thread, including silent ones."""
    account = Account(size=600, now=NOW, shape=Shape(silent=0.1, archived=0.1))
    texts = account.live_ids()
    assert texts != sorted(texts)
    contract = Contract(ids_as_text=True)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_here(
            settings(
                hubspot.url,
                page_size=50,
                sweep_interval_hours=12,
                emit_activate_version_messages=True,
            )
        )
    assert Table(output).rows.keys() == ids(account)
    assert [m for m in output.messages if m["type"] == "ACTIVATE_VERSION"]


@pytest.mark.parametrize("versions", [False, True], ids=["upsert", "versions"])
def test_a_new_inbox_is_swept_by_itself(versions: bool) -> None:
    """Others are only swept with it if ACTIVATE_VERSION would delete them otherwise."""
    one, two, new = inboxes = (11, 22, 33)
    account = account_of(*inboxes)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(
            hubspot.url,
            inbox_ids=[one, two],
            sweep_interval_hours=12,
            emit_activate_version_messages=versions,
        )
        first = run_here(config, began=milliseconds(account))
        outputs = [first]
        swept = []
        for _ in range(2):
            account.clock.advance(hours=1)
            hubspot.forget()
            outputs.append(
                run_here(
                    config | {"inbox_ids": [one, two, new]},
                    state=outputs[-1].states[-1],
                    began=milliseconds(account),
                )
            )
            swept.append(
                {
                    r.param("inboxId")
                    for r in hubspot.requests
                    if r.param("sort") == "id"
                }
            )
    assert swept == [{str(new)} if not versions else set(map(str, inboxes)), set()]
    assert Table(*outputs).rows.keys() == ids(account)


# The process.


def batches(directory: Path, size: int) -> dict[str, t.Any]:
    """Return the setting for compressed files with some rows each."""
    return {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": directory.as_uri()},
        "batch_size": size,
    }


@pytest.mark.parametrize("readers", [1, 4])
def test_a_signal_in_a_run_of_batches_covers_only_what_is_in_files(
    tmp_path: Path, readers: int
) -> None:
    """The last STATE only covers threads that an earlier BATCH message has named."""
    account = Account(size=6_000, now=NOW)
    places = account.places()
    with FakeHubSpot(account, Contract(delay=0.02), token=TOKEN) as hubspot:
        config = settings(
            hubspot.url,
            page_size=20,
            max_parallel_requests=readers,
            batch_config=batches(tmp_path, 130),
        )
        process = start_tap(tmp_path, config)
        stdout = output_of(process)
        seen = b""
        while seen.count(b'"BATCH"') < 2:
            line = stdout.readline()
            assert line, "the run ended before it was stopped"
            seen += line
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        output = to_the_end(process, seen)
    assert output.code == 128 + signal.SIGTERM, output.stderr
    assert "Traceback" not in output.stderr
    assert bookmark_of(output.states[-1])
    assert not uncovered(output.messages, places)


@pytest.mark.parametrize("readers", [1, 4])
def test_a_whole_run_of_batches_holds_every_thread_once(
    tmp_path: Path, readers: int
) -> None:
    """All files together are the account, and each STATE follows its files."""
    account = Account(size=1_000, now=NOW)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(
            settings(
                hubspot.url,
                page_size=20,
                max_parallel_requests=readers,
                batch_config=batches(tmp_path, 130),
            )
        )
    found = [m for m in output.messages if m["type"] == "BATCH"]
    rows = [row for message in found for row in rows_of(message)]
    assert len(rows) == 1_000
    assert by_id(rows).keys() == ids(account)
    assert not uncovered(output.messages, account.places())
    assert bookmark_of(output.states[-1]) == max(account.places().values())


def to_the_end(process: subprocess.Popen[bytes], seen: bytes) -> Output:
    """Read the rest of the output of a process."""
    # Not `communicate`, which would miss data in Python's buffer.
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        stdout = seen + process.stdout.read()
        stderr = process.stderr.read().decode()
    return Output.parse(stdout, process.wait(30), stderr)


def output_of(process: subprocess.Popen[bytes]) -> t.IO[bytes]:
    """Return the output of a process."""
    assert process.stdout is not None
    return process.stdout


@pytest.mark.parametrize("readers", [1, 4])
def test_time_extracted_is_when_the_page_was_fetched(
    tmp_path: Path, readers: int
) -> None:
    """A slow target does not make rows look newer than they are."""
    account = Account(size=3_000, now=NOW)
    answered: dict[str, list[float]] = {}

    def note(body: bytes) -> bytes:
        for row in json.loads(body)["results"]:
            answered.setdefault(row["id"], []).append(time.time())
        return body

    plan = FaultPlan().add(Fault(name="noted", edit=note))
    with FakeHubSpot(account, token=TOKEN, faults=plan) as hubspot:
        config = settings(hubspot.url, page_size=100, max_parallel_requests=readers)
        process = start_tap(tmp_path, config)
        seen = output_of(process).read(1 << 15)
        time.sleep(1.6)
        output = to_the_end(process, seen)
    assert output.code == 0, output.stderr
    late = [
        min(abs(extracted - moment) for moment in answered[thread])
        for thread, extracted in (
            (m["record"]["id"], datetime.fromisoformat(m["time_extracted"]).timestamp())
            for m in output.messages
            if m["type"] == "RECORD"
        )
    ]
    assert len(late) == 3_000
    assert max(late) < 1


@pytest.mark.parametrize(
    ("more", "faults"),
    [
        ({}, FaultPlan()),
        ({"inbox_ids": [481939, 519204]}, FaultPlan()),
        ({"page_size": 1}, FaultPlan()),
        (
            {"page_size": 10},
            FaultPlan().add(Fault.edited(lambda page: page["results"].clear()), at=1),
        ),
    ],
    ids=["default", "two inboxes", "one row a page", "empty first page"],
)
def test_a_test_of_the_connection_is_one_request(
    tmp_path: Path, more: dict[str, t.Any], faults: FaultPlan
) -> None:
    """`--test` sends one request, with the default number of parallel requests."""
    account = Account(size=2_000, now=NOW)
    with FakeHubSpot(account, token=TOKEN, faults=faults) as hubspot:
        config = settings(hubspot.url) | more
        del config["max_parallel_requests"]
        output = run_command_here(tmp_path, config, "--test")
        time.sleep(0.1)
        requests = [seen.endpoint for seen in hubspot.requests]
    assert output.code == 0, output.stderr
    assert requests == ["threads"]


def test_retries_end_in_time_where_nothing_answers(tmp_path: Path) -> None:
    """`max_retry_seconds` also counts the time spent on timeouts."""
    faults = FaultPlan().add(Fault.hang())
    with FakeHubSpot(Account(size=5, now=NOW), token=TOKEN, faults=faults) as hubspot:
        config = settings(hubspot.url, request_timeout=1, max_retry_seconds=3)
        began = time.monotonic()
        output = run_command_here(tmp_path, config)
        took = time.monotonic() - began
    assert output.code == 1
    assert took < 3 + 1 + 0.9


@pytest.mark.parametrize("delay", [0, 0.03, 0.06, 0.1, 0.2, 0.3])
def test_sigterm_during_startup_prints_no_traceback(
    tmp_path: Path, delay: float
) -> None:
    """It ends the process at once, even during imports."""
    code, stderr = stopped(tmp_path, signal.SIGTERM, delay)
    assert "Traceback" not in stderr
    assert code in {128 + signal.SIGTERM, -signal.SIGTERM}


@pytest.mark.parametrize("delay", [0.2, 0.3, 0.4])
def test_ctrl_c_during_startup_prints_no_traceback_of_the_tap(
    tmp_path: Path, delay: float
) -> None:
    """Once the tap's code runs, SIGINT prints no traceback."""
    code, stderr = stopped(tmp_path, signal.SIGINT, delay)
    assert not ("Traceback" in stderr and "/tap_hubspot_threads/" in stderr)
    assert code in {128 + signal.SIGINT, -signal.SIGINT}


def stopped(directory: Path, number: signal.Signals, delay: float) -> tuple[int, str]:
    """Start a run, send it a signal, and return its exit code and stderr."""
    with FakeHubSpot(
        Account(size=50, now=NOW), Contract(delay=1), token=TOKEN
    ) as hubspot:
        process = start_tap(directory, settings(hubspot.url))
        time.sleep(delay)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=20)
    return process.returncode, stderr.decode()
