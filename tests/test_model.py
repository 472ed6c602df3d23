"""Any history of an account and of the tap leads to a table equal to the account.

A Hypothesis state machine: threads are created, get messages, close, are archived and
so on, also while a listing runs; runs of the tap end, are killed at any line or meet
an error, and start from any STATE that was really written. The target is a plain
upsert by id that honours ACTIVATE_VERSION.

A failing history is printed as a short program. The mark `nightly` has a longer
search.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import typing as t

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from tap_hubspot_threads import bookmark, pagination, streams, timestamps
from tap_hubspot_threads.errors import EndlessListing, HubSpotError
from tap_hubspot_threads.pagination import ThreadsPaginator
from tests import harness
from tests.fake_hubspot import Account, Contract, FakeHubSpot, SeenRequest
from tests.harness import TOKEN, Output, written

if t.TYPE_CHECKING:
    from collections.abc import Callable

LOOKBACK = 300
INTERVAL_HOURS = 2.0

settings.register_profile(
    "model",
    max_examples=50,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
settings.register_profile(
    "nightly",
    settings.get_profile("model"),
    max_examples=3_000,
    stateful_step_count=40,
    derandomize=False,
)


class Killed(BaseException):
    """Stands for SIGKILL: nothing that is written afterwards counts."""


class CutOff(io.BytesIO):
    """Stdout that a run is killed at, after a number of lines."""

    def __init__(self, lines: int | None) -> None:
        """Take that many lines; None for all."""
        super().__init__()
        self._left = lines

    @override
    def write(self, data: t.Any) -> int:
        """Write some messages, or kill the run among them."""
        lines = bytes(data).splitlines(keepends=True)
        for line in lines:
            if self._left is not None:
                if self._left <= 0:
                    raise Killed
                self._left -= 1
            super().write(line)
        return len(data)


@dataclasses.dataclass
class Saved:
    """A STATE that was written, and what the model knows of it."""

    value: dict[str, t.Any] | None
    swept_at: int | None = None
    """When the last complete sweep behind this state began, by the tap's clock."""


class Counts:
    """What all machines together have done, for the summary."""

    examples = runs = kills = faults = mutations = steps = 0


class Machine(RuleBasedStateMachine):
    """An account, a table, and the states that runs have left."""

    @initialize(
        contract=st.fixed_dictionaries(
            {
                "inclusive": st.booleans(),
                "cursor": st.sampled_from(["key", "offset"]),
                "cursor_encoded": st.booleans(),
                "last_page": st.sampled_from(["missing", "null", "empty", "echo"]),
                "empty_every": st.sampled_from([0, 1, 2]),
                "short_pages": st.booleans(),
                "silent_last": st.booleans(),
                "swapped": st.sampled_from([0.0, 0.0, 0.3]),
                "late_seconds": st.sampled_from([0, 0, 200]),
            }
        ),
        order=st.sampled_from(["id", "timestamp"]),
        versions=st.booleans(),
        inboxes=st.booleans(),
        skew=st.sampled_from([0, 0, 3_600, -600]),
        size=st.integers(0, 12),
        parallel=st.sampled_from([1, 8]),
    )
    def begin(
        self,
        contract: dict[str, t.Any],
        order: str,
        versions: bool,
        inboxes: bool,
        skew: int,
        size: int,
        parallel: int,
    ) -> None:
        """Choose a reading of the API, the settings and the clocks."""
        Counts.examples += 1
        self.account = Account(now="2026-01-01T00:00:00.000Z")
        self.account.clock.tick_ms = 700
        self.contract = contract
        self.hubspot = FakeHubSpot(self.account, Contract(**contract), token=TOKEN)
        self.hubspot.__enter__()
        self.order = order
        self.versions = versions
        self.inboxes = inboxes
        self.skew = skew
        self.parallel = parallel
        self.table: dict[str, tuple[dict[str, t.Any], int | None]] = {}
        self.states = [Saved(None)]
        self.excused: set[str] = set()
        self.skipping = False
        # Only what has some pages is cut into slices.
        for _ in range(size * 4 if parallel > 1 else size):
            self.change("create", 0)

    @override
    def teardown(self) -> None:
        """End the server."""
        if hasattr(self, "hubspot"):
            self.hubspot.__exit__(None, None, None)

    # What happens to the account.

    def change(self, what: str, which: int) -> None:
        """Do one thing to one thread."""
        Counts.mutations += 1
        account = self.account
        live, archived = account.live_ids(), account.archived_ids()
        if what in {"create", "silent"} or not live + archived:
            thread = account.create(
                inboxId=str(700 + which % 2), latestMessageTimestamp=None
            )
            if what != "silent":
                account.message(thread)
            return
        if what == "wait":
            account.clock.advance(seconds=[1, 100, 1_000, 3_000, 9_000][which % 5])
            return
        if what in {"restore", "purge"} and archived:
            thread = archived[which % len(archived)]
        elif live:
            thread = live[which % len(live)]
        else:
            thread = archived[which % len(archived)]
        match what:
            case "message" if thread in live:
                account.message(thread)
            case "tie" if thread in live:
                account.message(thread, at=account.clock.text)
            case "close":
                account.close(thread)
            case "reopen":
                account.reopen(thread)
            case "assign":
                account.assign(thread)
            case "spam":
                account.mark_spam(thread)
            case "link":
                account.link_ticket(thread, str(which))
            case "archive" if thread in live:
                account.archive(thread)
                self.excused.add(thread)
            case "farewell" if thread in live:
                account.message(thread)
                account.archive(thread)
                self.excused.add(thread)
            case "crossing" if len(live) > 1:
                # One thread gets a message; then one goes, with a last message.
                account.message(live[(which + 1) % len(live)])
                account.message(thread)
                account.archive(thread)
                self.excused.add(thread)
            case "restore" if thread in archived:
                account.restore(thread)
                self.excused.add(thread)
            case "purge":
                account.purge(thread)

    changes = st.tuples(
        st.sampled_from(
            [
                "create",
                "silent",
                "message",
                "message",
                "tie",
                "close",
                "reopen",
                "assign",
                "spam",
                "link",
                "archive",
                "farewell",
                "crossing",
                "crossing",
                "restore",
                "purge",
                "wait",
                "wait",
            ]
        ),
        st.integers(0, 50),
    )

    @rule(todo=st.lists(changes, min_size=1, max_size=6))
    def live_on(self, todo: list[tuple[str, int]]) -> None:
        """Let things happen between two runs."""
        for what, which in todo:
            self.change(what, which)

    # What the tap does.

    which_state = st.sampled_from([0, 0, 0, 0, 0, 1, 2, 4, 8])
    """How many states before the last one a run starts from; mostly none."""

    @rule(
        meanwhile=st.dictionaries(
            st.integers(1, 12), st.lists(changes, min_size=1, max_size=4), max_size=3
        ),
        kill_at=st.sampled_from([None] * 24 + [*range(24)]),
        fault_at=st.sampled_from([None] * 12 + [*range(1, 7)]),
        state=which_state,
    )
    def run_disturbed(
        self,
        meanwhile: dict[int, list[tuple[str, int]]],
        kill_at: int | None,
        fault_at: int | None,
        state: int,
    ) -> None:
        """Run while threads change; the run may be killed or meet an error."""
        if meanwhile and self.contract["cursor"] == "offset":
            self.skipping = True
        self.run(state, meanwhile=meanwhile, kill_at=kill_at, fault_at=fault_at)

    @rule(state=which_state, hours=st.sampled_from([0.1, 1.0, 3.0]))
    def run_quietly(self, state: int, hours: float) -> None:
        """Run to the end while nothing changes: the table is as it should be."""
        self.account.clock.advance(hours=hours)
        start = self.states[-1 - state % len(self.states)]
        now = self.now()
        due = (
            start.swept_at is None
            or start.swept_at > now
            or now - start.swept_at >= INTERVAL_HOURS * 3_600_000
        )
        output = self.run(state)
        ids = [row["id"] for row in output.records]
        # What is found to be out of order when it is read in parallel is read again.
        if due or self.parallel == 1 or not self.contract["swapped"]:
            assert len(ids) == len(set(ids)), "a thread was written twice"
        if due:
            self.check_equal()
            self.excused.clear()
            self.skipping = False
        elif not self.skipping:
            self.check_messages()

    def now(self) -> int:
        """Return the tap's clock in milliseconds."""
        return self.account.clock.us // 1000 + self.skew * 1000

    def run(
        self,
        state: int,
        *,
        meanwhile: dict[int, list[tuple[str, int]]] | None = None,
        kill_at: int | None = None,
        fault_at: int | None = None,
    ) -> Output:
        """Run the tap and load what it wrote."""
        Counts.runs += 1
        start = self.states[-1 - state % len(self.states)]
        self.hubspot.contract = Contract(**self.contract)

        def before(number: int, _: SeenRequest) -> None:
            for what, which in (meanwhile or {}).get(number, []):
                self.change(what, which)
            if number == fault_at:
                self.hubspot.contract = Contract(**self.contract, versions=())

        numbers = itertools.count(1)
        self.hubspot.before_request = lambda _, seen: before(next(numbers), seen)
        began = self.now()
        stdout = CutOff(kill_at)
        completed = False
        try:
            with harness.captured_stdout(stdout):
                harness.clocked(began)(
                    config=self.config(),
                    state=json.loads(json.dumps(start.value or {})),
                ).sync_all()
            completed = True
        except Killed:
            Counts.kills += 1
        except EndlessListing:
            # Where cursors count rows, rows that come in before them repeat a page.
            Counts.faults += 1
            assert self.contract["cursor"] == "offset"
            assert meanwhile
        except HubSpotError:
            Counts.faults += 1
            assert fault_at is not None
        output = Output.parse(stdout.getvalue(), 0)
        self.load(output, start, swept_at=began if completed else None)
        return output

    def config(self) -> dict[str, t.Any]:
        """Return the settings of all runs."""
        return harness.settings(
            self.hubspot.url,
            page_size=3,
            max_parallel_requests=self.parallel,
            max_retry_seconds=0,
            lookback_seconds=LOOKBACK if self.contract["late_seconds"] else 0,
            sweep_interval_hours=INTERVAL_HOURS,
            sweep_order=self.order,
            emit_activate_version_messages=self.versions,
            **({"inbox_ids": [700, 701]} if self.inboxes else {}),
        )

    def load(self, output: Output, start: Saved, swept_at: int | None) -> None:
        """Upsert the records, honour ACTIVATE_VERSION, keep the states."""
        due = (
            start.swept_at is None
            or swept_at is None
            or start.swept_at > swept_at
            or swept_at - start.swept_at >= INTERVAL_HOURS * 3_600_000
        )
        last = Saved(start.value, start.swept_at)
        for message in output.messages:
            match message["type"]:
                case "RECORD":
                    row = message["record"]
                    self.table[row["id"]] = (row, message.get("version"))
                case "ACTIVATE_VERSION":
                    version = message["version"]
                    self.table = {
                        key: (row, of)
                        for key, (row, of) in self.table.items()
                        if of is None or of >= version
                    }
                case "STATE":
                    self.check_not_decreased(last.value, message["value"])
                    last = Saved(message["value"], start.swept_at)
                    self.states.append(last)
        if swept_at is not None and due:
            last.swept_at = swept_at
        del self.states[:-20]

    # What must hold.

    def check_not_decreased(self, old: t.Any, new: t.Any) -> None:
        """Compare the bookmarks of two states in a row."""
        before, after = bookmarks(old), bookmarks(new)
        assert all(after.get(key, "") >= value for key, value in before.items())
        cap = timestamps.from_milliseconds(self.now())
        assert all(value <= cap or value in before.values() for value in after.values())

    def comparable(self) -> dict[str, dict[str, t.Any]]:
        """Return the threads that a complete sweep brings."""
        rows = {row["id"]: written(row) for row in self.account.threads()}
        if self.order == "timestamp":
            rows = {
                key: row
                for key, row in rows.items()
                if row["latestMessageTimestamp"] or row["archived"]
            }
        return rows

    def check_equal(self) -> None:
        """After a complete sweep: each thread is as it is in the account."""
        rows = self.comparable()
        found = {key: row for key, (row, _) in self.table.items()}
        assert {key: found.get(key) for key in rows} == rows
        if self.versions:
            gone = found.keys() - {row["id"] for row in self.account.threads()}
            assert not gone, "purged threads are still in the table"

    def check_messages(self) -> None:
        """After a run without a sweep: no message is missing."""
        for row in self.account.threads():
            expected = written(row)
            moment = expected["latestMessageTimestamp"]
            if expected["archived"] or moment is None or row["id"] in self.excused:
                continue
            assert row["id"] in self.table, "a thread with a message is missing"
            found, _ = self.table[row["id"]]
            assert found["latestMessageTimestamp"] == moment, "a message is missing"

    @invariant()
    def count(self) -> None:
        """Count the steps."""
        Counts.steps += 1


def bookmarks(state: t.Any) -> dict[str, str]:
    """Return the bookmark of each partition, by its context as text."""
    if not state:
        return {}
    threads = state["bookmarks"].get("threads", {})
    return {
        str(entry.get("context")): entry["replication_key_value"]
        for entry in [threads, *threads.get("partitions", [])]
        if "replication_key_value" in entry
    }


def test_every_history_ends_with_a_table_that_is_the_account() -> None:
    """No history that was tried leaves a thread missing, stale or undeleted."""
    look_for_a_failure("model")
    print(
        f"model: {Counts.examples} examples, {Counts.steps} steps, {Counts.runs} runs, "
        f"{Counts.kills} kills, {Counts.faults} faults, {Counts.mutations} changes"
    )


@pytest.mark.nightly
def test_no_history_of_a_long_search_ends_otherwise() -> None:
    """The same with many more and longer histories."""
    look_for_a_failure("nightly")


def look_for_a_failure(profile: str) -> None:
    """Search with the examples of a profile."""
    run_state_machine_as_test(Machine, settings=settings.get_profile(profile))


# Defects that the search has to find, each planted into the tap.


def bound_a_millisecond_late(patch: pytest.MonkeyPatch) -> None:
    """The bound is sent one millisecond after the bookmark."""
    real = pagination.Listing.params.fget  # type: ignore[attr-defined]

    def params(listing: pagination.Listing) -> dict[str, str]:
        late = listing.since and timestamps.shift(listing.since, milliseconds=2)
        return real(dataclasses.replace(listing, since=late))  # type: ignore[no-any-return]

    patch.setattr(pagination.Listing, "params", property(params))


def bookmark_of_the_last_row(patch: pytest.MonkeyPatch) -> None:
    """The bookmark is what the last row says, greatest or not."""

    def saw(mark: bookmark.Bookmark, moments: list[str | None]) -> bool:
        for moment in filter(None, moments):
            mark._state[bookmark.KEY] = mark._key
            mark._state[bookmark.VALUE] = moment
        return False

    patch.setattr(bookmark.Bookmark, "saw", saw)
    patch.setattr(bookmark.Bookmark, "finish", lambda _: None)


def sweep_done_when_it_begins(patch: pytest.MonkeyPatch) -> None:
    """A sweep counts as complete before it has listed anything."""
    real = streams.ThreadsStream.get_pages

    def get_pages(stream: streams.ThreadsStream, context: t.Any) -> t.Any:
        if stream._sweeps:
            for state in stream._states:
                state["sweep_began_at"] = stream._run_began
        yield from real(stream, context)

    patch.setattr(streams.ThreadsStream, "get_pages", get_pages)


def empty_page_is_the_end(patch: pytest.MonkeyPatch) -> None:
    """A listing ends at its first page without rows."""
    real = ThreadsPaginator.advance

    def advance(paginator: ThreadsPaginator, response: t.Any) -> None:
        real(paginator, response)
        paginator._at_end |= not response.rows

    patch.setattr(ThreadsPaginator, "advance", advance)


def archived_threads_move_the_bookmark(patch: pytest.MonkeyPatch) -> None:
    """The bookmark follows the archived threads, too."""
    real = streams.ThreadsStream._archived

    def archived(stream: streams.ThreadsStream, context: t.Any, seen: t.Any) -> t.Any:
        state = stream.get_context_state(context)
        for page in real(stream, context, seen):
            yield page
            for record in page:
                moment = record["latestMessageTimestamp"] or ""
                moment = min(moment, stream._run_began)
                if moment > state.get(bookmark.VALUE, ""):
                    state[bookmark.VALUE] = moment

    patch.setattr(streams.ThreadsStream, "_archived", archived)


def tie_at_the_bookmark(machine: Machine) -> None:
    """A second thread gets a message in the millisecond of the bookmark."""
    machine.begin(**ordinary(), size=4)
    machine.change("message", 0)
    machine.run(0)
    machine.change("tie", 2)
    machine.run_quietly(0, 0.1)


def newest_thread_leaves(machine: Machine) -> None:
    """All that a run finds is older than the bookmark."""
    machine.begin(**ordinary(late_seconds=200), size=4)
    machine.run(0)
    newest = max(machine.account.threads(), key=lambda r: r["latestMessageTimestamp"])
    machine.account.archive(newest["id"])
    machine.run(0)


def killed_in_the_sweep(machine: Machine) -> None:
    """A run is killed among the threads that only its sweep would bring."""
    machine.begin(**ordinary(), size=4)
    for _ in range(3):
        machine.change("silent", 0)
    machine.run_disturbed(meanwhile={}, kill_at=9, fault_at=None, state=0)
    machine.run_quietly(0, 0.1)


def gaps_between_pages(machine: Machine) -> None:
    """Every other page is empty."""
    machine.begin(**ordinary(empty_every=1), size=9)
    machine.run_quietly(0, 0.1)


def crossing_after_the_changes(machine: Machine) -> None:
    """Behind the changes, one thread gets a message, and a later one is archived.

    The tap's clock is ahead, so that the start of the run is no bound.
    """
    machine.begin(**ordinary() | {"skew": 3_600}, size=5)
    machine.run_disturbed(
        meanwhile={4: [("message", 0), ("farewell", 1)]},
        kill_at=None,
        fault_at=None,
        state=0,
    )
    machine.run_quietly(0, 0.1)


def ordinary(**contract: t.Any) -> dict[str, t.Any]:
    """Return what a machine begins with, but for some of the contract."""
    return {
        "contract": {"cursor": "key", "late_seconds": 0} | contract,
        "order": "id",
        "versions": False,
        "inboxes": False,
        "skew": 0,
        "parallel": 1,
    }


HISTORIES: dict[Callable[[pytest.MonkeyPatch], None], Callable[[Machine], None]] = {
    bound_a_millisecond_late: tie_at_the_bookmark,
    bookmark_of_the_last_row: newest_thread_leaves,
    sweep_done_when_it_begins: killed_in_the_sweep,
    empty_page_is_the_end: gaps_between_pages,
    archived_threads_move_the_bookmark: crossing_after_the_changes,
}


@pytest.mark.parametrize("plant", HISTORIES)
def test_a_planted_defect_breaks_a_history(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A history that the tap stands is one that it fails with the defect."""
    for planted in (False, True):
        machine = Machine()
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
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search finds each of these defects by itself."""
    plant(monkeypatch)
    quick = settings(
        settings.get_profile("nightly"),
        phases=[Phase.generate],
        database=None,
        report_multiple_bugs=False,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=quick)
