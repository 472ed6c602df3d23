"""A Hypothesis state machine of threads, their histories, and runs that read them.

Messages, comments, closings and the like happen between runs and while a run reads.
Runs end, are killed between any two lines or meet an error, and start from any STATE
that was really written. The model has HubSpot's clock and an index without a lag; what
these do to the listing of threads is examined in ``test_model``.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import typing as t

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from tap_hubspot_threads import histories, paging, timestamps
from tap_hubspot_threads.errors import HubSpotError
from tap_hubspot_threads.messages import MessagesStream
from tap_hubspot_threads.state import Bookmark
from tap_hubspot_threads.sweeps import MessageSweep
from tap_hubspot_threads.unserved import Unserved
from tests.fake_hubspot import Account, Contract, FakeHubSpot, Fault, moments
from tests.support import harness
from tests.support.harness import TOKEN, Output
from tests.tap.model import CutOff, Killed

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fake_hubspot import SeenRequest

    Row: t.TypeAlias = dict[str, t.Any]
    Key: t.TypeAlias = tuple[str, str]
    Todo: t.TypeAlias = list[tuple[str, int]]

CHANGES = (
    *("create", "message", "message", "reply", "late", "comment"),
    *("close", "close", "reopen", "assign", "archive", "restore", "purge", "wait"),
)
INTERVAL_HOURS = 2.0
LIMIT = 3
"""Items of a page of a history, at most."""

settings.register_profile(
    "messages",
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


LOST = (Fault.status(404), Fault.json({"results": []}))
"""Answers for a moment, as while a copy of HubSpot's data lags."""


@dataclasses.dataclass
class Saved:
    """A STATE that was written.

    Attributes:
        value: Its value.
        swept_at: When the last complete sweep behind it began, by HubSpot's clock.
    """

    value: dict[str, t.Any] | None
    swept_at: int = 0

    @property
    def messages(self) -> dict[str, t.Any]:
        """The state of the stream."""
        kept = (self.value or {}).get("bookmarks", {}).get("messages", {})
        return t.cast("dict[str, t.Any]", kept)


class Machine(RuleBasedStateMachine):
    """An account, a table of messages, and the states that runs have left."""

    @initialize(
        parallel=st.sampled_from([1, 3]),
        archived=st.sampled_from(["required", "optional", "forbidden"]),
        unknown=st.sampled_from(["404", "empty"]),
        short=st.booleans(),
        size=st.integers(0, 6),
    )
    def begin(
        self, parallel: int, archived: t.Any, unknown: t.Any, short: bool, size: int
    ) -> None:
        """Choose a reading of the API and an account."""
        self.account = Account(now="2026-01-01T00:00:00.000Z")
        self.account.clock.tick_ms = 700
        self.contract = Contract(
            messages_archived=archived,
            unknown_thread=unknown,
            short_pages=short,
            messages_limit_max=100,
        )
        self.hubspot = FakeHubSpot(self.account, self.contract, token=TOKEN)
        self.hubspot.__enter__()
        self.parallel = parallel
        self.table: dict[Key, Row] = {}
        self.states = [Saved(None)]
        self.restored_at: dict[str, int] = {}
        self.moved_at: dict[str, int] = {}
        self.lost: set[str | None] = set()
        for number in range(size):
            self.change("create", number)

    @override
    def teardown(self) -> None:
        """End the server."""
        if hasattr(self, "hubspot"):
            self.hubspot.__exit__(None, None, None)

    # What happens to the account.

    def change(self, what: str, which: int) -> None:
        """Do one thing to one thread."""
        account = self.account
        live, archived = account.live_ids(), account.archived_ids()
        if what == "create" or not live + archived:
            account.message(account.create(latestMessageTimestamp=None))
            return
        if what == "wait":
            account.clock.advance(seconds=[1, 100, 3_000, 9_000][which % 4])
            return
        if what in {"restore", "purge"}:
            if archived:
                thread = archived[which % len(archived)]
                (account.restore if what == "restore" else account.purge)(thread)
                self.restored_at[thread] = self.moved_at[thread] = account.clock.us
            return
        if not live:
            return
        thread = live[which % len(live)]
        match what:
            case "message":
                account.message(thread, sent=False)
            case "reply":
                account.message(thread, sent=True)
            case "late":
                account.late_mail(thread, 60)
            case "comment":
                account.comment(thread)
            case "close":
                account.close(thread)
            case "reopen":
                account.reopen(thread)
            case "assign":
                account.assign(thread, account.random_actor())
            case "archive":
                account.archive(thread)
                self.moved_at[thread] = account.clock.us

    changes = st.tuples(st.sampled_from(CHANGES), st.integers(0, 30))

    @rule(todo=st.lists(changes, min_size=1, max_size=8))
    def live_on(self, todo: Todo) -> None:
        """Let things happen between two runs."""
        for what, which in todo:
            self.change(what, which)

    # What the tap does.

    which_state = st.sampled_from([0, 0, 0, 0, 1, 3, None])
    """How many states before the last one a run starts from; None for no state."""

    @rule(
        meanwhile=st.dictionaries(
            st.integers(1, 25), st.lists(changes, min_size=1, max_size=3), max_size=4
        ),
        kill_at=st.none() | st.integers(1, 60),
        fault_at=st.sampled_from([None, None, None, 1, 3, 6, 12]),
        lost_at=st.none() | st.integers(1, 12),
        lost=st.sampled_from(LOST),
        state=which_state,
    )
    def run_disturbed(
        self,
        meanwhile: dict[int, Todo],
        kill_at: int | None = None,
        fault_at: int | None = None,
        lost_at: int | None = None,
        lost: Fault = LOST[0],
        state: int | None = 0,
    ) -> None:
        """Run while things happen; the run may be killed or meet an error.

        Or a history is missing for a moment.
        """
        self.account.clock.advance(seconds=2)
        if lost_at is not None:
            self.lose(lost, lost_at)
        self.run(
            state,
            meanwhile=meanwhile,
            kill_at=kill_at,
            fault_at=fault_at,
            may_fail=lost_at is not None,  # a first load of one thread
        )
        self.hubspot.faults.clear()

    def lose(self, lost: Fault, at: int) -> None:
        """Let one history be missing. None is twice: what is missing twice is gone."""
        numbers = itertools.count(1)

        def is_lost(seen: SeenRequest) -> bool:
            # On a later page, an empty answer is the end.
            is_first_page = not seen.param("after")
            if not is_first_page or seen.thread_id in self.lost or next(numbers) != at:
                return False
            self.lost.add(seen.thread_id)
            return True

        self.hubspot.faults.add(lost, when=is_lost, on="messages")

    @rule(state=which_state, hours=st.sampled_from([0.1, 1.0, 3.0]))
    def run_quietly(self, state: int | None = 0, hours: float = 0.1) -> None:
        """Run to the end while nothing changes."""
        self.account.clock.advance(hours=hours)
        self.run(state)

    def run(
        self,
        state: int | None = 0,
        *,
        meanwhile: dict[int, Todo] | None = None,
        kill_at: int | None = None,
        fault_at: int | None = None,
        may_fail: bool = False,
    ) -> None:
        """Run the tap, load what it wrote, and check what it promises."""
        start = (
            Saved(None) if state is None else self.states[-1 - state % len(self.states)]
        )
        began = self.account.clock.us
        expected, has_changed = self._expected(start)
        numbers = iter(range(1, 2**62))

        def before(seen: SeenRequest) -> None:
            number = next(numbers)
            for what, which in (meanwhile or {}).get(number, []):
                self.change(what, which)
            if number == fault_at:
                self.hubspot.contract.forbidden = (seen.endpoint,)

        self.hubspot.before_any_request = before
        stdout = CutOff(kill_at)
        is_complete = False
        try:
            with harness.captured_stdout(stdout):
                harness.clocked(began // 1_000)(
                    config=self.config(),
                    state=copy.deepcopy(start.value or {}),
                    catalog=harness.select(streams=("messages", "actors")),
                ).sync_all()
            is_complete = True
        except Killed:
            pass
        except HubSpotError:
            assert may_fail or fault_at is not None
        finally:
            self.hubspot.before_any_request = None
            self.hubspot.contract.forbidden = ()
        self.load(Output.parse(stdout.getvalue(), 0), start, began)
        if is_complete:
            swept_at = self.states[-1].swept_at
            if swept_at == began:
                expected |= has_changed
            elif swept_at > start.swept_at:
                expected |= self._swept_since(swept_at, has_changed)
            later = self.states[-1].messages.get("unread", [])
            expected = {
                key
                for key in expected
                if key[0] not in later and not self._moves_while_read(key[0], began)
            }
            missing = set(filter(self._exists, expected)) - self.table.keys()
            assert not missing, f"items are missing after a run: {missing}"

    def config(self) -> dict[str, t.Any]:
        """Return the settings of all runs."""
        return harness.settings(
            self.hubspot.url,
            include_messages=True,
            page_size=4,
            max_parallel_requests=self.parallel,
            max_retry_seconds=0,
            lookback_seconds=0,
            sweep_interval_hours=INTERVAL_HOURS,
        )

    def load(self, output: Output, start: Saved, began: int) -> None:
        """Upsert the rows, and keep the states."""
        for message in output.messages:
            if message["type"] == "RECORD" and message["stream"] == "messages":
                row = message["record"]
                self.table[row["conversationsThreadId"], row["id"]] = row
            elif message["type"] == "STATE":
                saved = Saved(message["value"], start.swept_at)
                swept_at = saved.messages.get("sweep_began_at")
                if swept_at and swept_at != start.messages.get("sweep_began_at"):
                    saved.swept_at = int(moments.parse(swept_at))
                self.check_covered(saved, start, began)
                self.states.append(saved)
        del self.states[:-12]

    # What must hold.

    def _expected(self, start: Saved) -> tuple[set[Key], set[Key]]:
        """Return the items that a complete run brings, and those that a sweep brings.

        Messages of all live threads; and everything in threads that are open, or were
        closed or had a message since the last complete sweep.
        """
        expected: set[Key] = set()
        has_changed: set[Key] = set()
        for thread in (*self.account.live_ids(), *self.account.archived_ids()):
            row = self.account.thread(thread)
            items = self.account.history(thread)
            keys = {(thread, item["id"]) for item in items}
            dates = (row.get("closedAt"), row.get("latestMessageTimestamp"))
            latest = max(moments.parse(date) for date in dates if date)
            if row["status"] == "OPEN" or latest >= start.swept_at:
                has_changed |= keys
            # What came and went while it was in the trash waits for the sweep.
            if not row["archived"] and thread not in self._restored(start):
                expected |= {
                    (thread, item["id"]) for item in items if item["type"] == "MESSAGE"
                }
        return expected, has_changed

    def _restored(self, start: Saved) -> set[str]:
        """Return the threads whose place is before the bookmark of a state."""
        reached = start.messages.get("replication_key_value", "")
        return {i for i, place in self.account.places().items() if place < reached}

    def _swept_since(self, began: int, items: set[Key]) -> set[Key]:
        """Return the items that a sweep of several runs brings, of some that changed.

        What is new since it began waits for the next one.
        """
        return {
            key
            for key in filter(self._exists, items)
            if self._created(key) < began and self.restored_at.get(key[0], 0) < began
        }

    def _moves_while_read(self, thread: str, began: int) -> bool:
        """Return whether the later pages of a history may have been empty."""
        return self.moved_at.get(thread, 0) >= began

    def _exists(self, key: Key) -> bool:
        return key[0] in self.account

    def check_covered(self, saved: Saved, start: Saved, began: int) -> None:
        """A bookmark covers no thread whose history is not written as a whole."""
        reached = saved.messages.get("replication_key_value", "")
        behind = self._restored(start)
        for thread, place in self.account.places().items():
            is_noted = thread in saved.messages.get("unread", ())
            if place >= reached or thread in behind or is_noted:
                continue
            if self._moves_while_read(thread, began):
                continue
            items = {(thread, item["id"]) for item in self.account.history(thread)}
            old = {key for key in items if self._created(key) < began}
            assert old <= self.table.keys(), "a bookmark covers what was not written"

    def _created(self, key: Key) -> int:
        items = {item["id"]: item for item in self.account.history(key[0])}
        return int(moments.parse(items[key[1]]["createdAt"]))


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let histories take several pages, and STATE follow often."""
    monkeypatch.setattr(histories, "PAGE", str(LIMIT))
    monkeypatch.setattr(MessagesStream, "THREADS_PER_STATE", 2)


def test_every_history_ends_with_a_table_that_has_all_messages() -> None:
    """Whatever happens, and in whatever order, no message is missing."""
    run_state_machine_as_test(Machine, settings=settings.get_profile("messages"))


@pytest.mark.nightly
def test_no_history_of_a_long_search_ends_otherwise() -> None:
    """The same with many more histories."""
    long = settings(
        settings.get_profile("messages"), max_examples=1_000, derandomize=False
    )
    run_state_machine_as_test(Machine, settings=long)


# Defects that the model has to find, each planted into the tap.


def bookmark_ahead_of_the_window(patch: pytest.MonkeyPatch) -> None:
    """The bookmark follows the histories that are asked for, not those written."""
    asked_for = [""]
    read = histories.HistoryReader.read

    def note(reader: t.Any, thread: t.Any) -> t.Any:
        asked_for.append(timestamps.of(thread, "latestMessageTimestamp") or "")
        return read(reader, thread)

    patch.setattr(histories.HistoryReader, "read", note)

    def advance(mark: Bookmark, *_: object, **__: object) -> None:
        mark._move(max(asked_for))

    patch.setattr(Bookmark, "advance", advance)


def error_that_skips_a_thread(patch: pytest.MonkeyPatch) -> None:
    """What cannot be read counts as read."""
    add = Unserved.add

    def skip(unserved: Unserved, history: histories.History) -> None:
        if history.error is None:
            add(unserved, history)

    patch.setattr(Unserved, "add", skip)


def first_404_believed(patch: pytest.MonkeyPatch) -> None:
    """A thread that HubSpot does not find once counts as deleted."""
    patch.setattr(Unserved, "_conclude", lambda self, **_: self._pending.clear())


def first_empty_history_believed(patch: pytest.MonkeyPatch) -> None:
    """A thread with a message may have an empty history."""
    patch.setattr(Unserved, "_is_doubtful", lambda *_: False)


def last_page_left_out(patch: pytest.MonkeyPatch) -> None:
    """The last page of a history of several pages is dropped."""

    def read_pages(*arguments: t.Any) -> Iterator[t.Any]:
        pages = list(paging.read_pages(*arguments))
        yield from pages[: max(1, len(pages) - 1)]

    patch.setattr(histories, "read_pages", read_pages)


def closed_threads_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A sweep takes the end of the run for the moment up to which it knows closings."""
    future = property(lambda _: "2030-01-01T00:00:00.000Z")
    patch.setattr(MessagesStream, "_settled", future)


def sweep_ahead_of_the_window(patch: pytest.MonkeyPatch) -> None:
    """The place of a sweep follows the threads that it lists, not those it has read."""
    may_have_changed, note = MessageSweep.may_have_changed, MessageSweep.note

    def listed(sweep: MessageSweep, thread: Row) -> bool:
        may = may_have_changed(sweep, thread)
        if may:
            note(sweep, thread)
        return may

    patch.setattr(MessageSweep, "may_have_changed", listed)
    patch.setattr(MessageSweep, "note", lambda *_: None)


def closings_between_two_runs_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A sweep of several runs forgets what was closed before the last of them."""
    init, finish = MessageSweep.__init__, MessageSweep.finish
    settled: list[str] = []

    def note(sweep: MessageSweep, *arguments: t.Any, **more: t.Any) -> None:
        settled.append(more["settled"])
        init(sweep, *arguments, **more)

    def forget(sweep: MessageSweep) -> None:
        finish(sweep)
        for kept in (sweep._kept, sweep._kept["last_sweep"]):
            kept["closed_since"] = settled[-1]

    patch.setattr(MessageSweep, "__init__", note)
    patch.setattr(MessageSweep, "finish", forget)


def killed_in_the_window(machine: Machine) -> None:
    """A run is killed while histories are read ahead."""
    machine.run_disturbed(meanwhile={}, kill_at=30)
    machine.run_quietly()


def met_by_an_error(machine: Machine) -> None:
    """A history cannot be read. Some requests are for the list of threads."""
    for number in (4, 8, 12):
        machine.run_disturbed(meanwhile={}, fault_at=number)
    machine.run_quietly()


def lost_for_a_moment(machine: Machine) -> None:
    """HubSpot does not find a history, or finds it empty, and finds it later."""
    for lost in LOST:
        for thread in machine.account.live_ids():
            machine.account.message(thread)
        machine.run_disturbed(meanwhile={}, lost_at=5, lost=lost)
        machine.run_quietly()


def long_history(machine: Machine) -> None:
    """A thread has messages for some pages."""
    for _ in range(2 * LIMIT + 1):
        machine.change("message", 0)
    machine.run_quietly()


def closed_without_a_message(machine: Machine) -> None:
    """A thread is closed after it was read."""
    machine.run_quietly()
    machine.change("close", 0)
    machine.run_quietly(hours=3.0)


def sweep_cut(machine: Machine) -> None:
    """A run is killed while it sweeps open threads, and another one goes on."""
    machine.run_quietly()
    for thread in machine.account.live_ids():
        machine.account.comment(thread)
    machine.account.clock.advance(hours=3)
    machine.run_disturbed(meanwhile={}, kill_at=30)
    assert "sweep" in machine.states[-1].messages
    machine.run_quietly()


def closed_after_the_cut(machine: Machine) -> None:
    """A thread is closed between two runs that sweep it and the others."""
    sweep_cut(machine)
    machine.account.clock.advance(hours=3)
    machine.run_disturbed(meanwhile={}, kill_at=30)
    assert "sweep" in machine.states[-1].messages
    machine.account.close(machine.account.live_ids()[0])
    machine.account.clock.advance(hours=1)
    machine.run_quietly()
    machine.run_quietly(hours=3.0)


Plant: t.TypeAlias = "Callable[[pytest.MonkeyPatch], None]"

HISTORIES: dict[Plant, Callable[[Machine], None]] = {
    bookmark_ahead_of_the_window: killed_in_the_window,
    error_that_skips_a_thread: met_by_an_error,
    first_404_believed: lost_for_a_moment,
    first_empty_history_believed: lost_for_a_moment,
    last_page_left_out: long_history,
    closed_threads_forgotten: closed_without_a_message,
    sweep_ahead_of_the_window: sweep_cut,
    closings_between_two_runs_forgotten: closed_after_the_cut,
}


@pytest.mark.parametrize("plant", HISTORIES)
def test_a_planted_defect_breaks_a_history(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A history that passes without the defect fails with it."""
    for planted in (False, True):
        machine = Machine()
        machine.begin(
            parallel=3, archived="required", unknown="404", short=False, size=24
        )
        try:
            if planted:
                plant(monkeypatch)
                with pytest.raises(AssertionError):
                    HISTORIES[plant](machine)
            else:
                HISTORIES[plant](machine)
        finally:
            machine.teardown()


@pytest.mark.nightly
@pytest.mark.parametrize("plant", HISTORIES)
def test_a_planted_defect_is_found(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search finds each of these defects by itself."""
    plant(monkeypatch)
    quick = settings(
        settings.get_profile("messages"),
        max_examples=1_000,
        phases=[Phase.generate],
        database=None,
        derandomize=False,
        report_multiple_bugs=False,
    )
    # With several readers, the same history may pass a second time.
    with pytest.raises((AssertionError, FlakyFailure)):
        run_state_machine_as_test(Machine, settings=quick)
