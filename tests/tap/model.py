"""A Hypothesis state machine of an account, of the tap's runs, and of a table.

Threads are created, get messages, close, move, are archived and so on, also while a
listing is read. Inboxes are renamed, archived and deleted, and agents leave. Runs of
the tap end, are killed between any two lines or meet an error, and start from any STATE
that was really written. The target is an upsert by ID that honors ACTIVATE_VERSION, or
one that reads the files of BATCH messages.

What the tap cannot know is excused, and nothing else. Each excuse says why:

- `Machine._is_too_late`: the index lags by more than `lookback_seconds`
- `Machine._slip`: a cursor that counts rows skips one as an earlier row leaves
- `Machine._hidden`: every clock that the tap can see is ahead of HubSpot's
- `Machine._was_never_still`: a thread moves in every round of a sweep
- `Machine._may_stay`: a clock is set back after a run that nobody knows of
"""

from __future__ import annotations

import copy
import dataclasses
import io
import itertools
import json
import shutil
import tempfile
import typing as t
from collections import defaultdict
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from typing_extensions import override

from tap_hubspot_threads.directory import InboxesStream
from tap_hubspot_threads.errors import EndlessListing, HubSpotError
from tests.fake_hubspot import (
    Account,
    Contract,
    FakeHubSpot,
    Fault,
    FaultPlan,
    SeenRequest,
    moments,
)
from tests.support import harness
from tests.support.harness import TOKEN, Output, written
from tests.tap.test_trust import batches, rows_of

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Row: t.TypeAlias = dict[str, t.Any]
    Todo: t.TypeAlias = list[tuple[str, int]]

LOOKBACK = 300
INTERVAL_HOURS = 2.0
PAGE = 3
HOUR = 3_600 * moments.SECOND
DAY = 24 * HOUR

INBOXES = ("700", "701")

MOST_NEWER = 6
"""Threads that are newer than their places at a time. The tap takes the oldest of ten
rows for true (`Frontier.PROOF`), and cannot know better if all ten are newer."""

CHANGES = (
    *("create", "create", "silent", "future"),
    *("message", "message", "message", "tie", "lag", "old", "backdated", "reindex"),
    *("close", "reopen", "assign", "spam", "link"),
    *("move", "move", "archive", "farewell", "crossing", "crossing"),
    *("restore", "restore", "purge", "wait", "wait"),
    *("rename", "retire", "dissolve", "leave"),
)

STREAMS = ("threads", "inboxes", "actors")
CUSTOMERS = ("V-", "E-")


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
            # Killed among the rows of inboxes, a run leaves nothing to examine.
            if self._left is not None and b'"stream":"inboxes"' not in line:
                if self._left <= 0:
                    raise Killed
                self._left -= 1
            super().write(line)
        return len(data)


class Spot(t.NamedTuple):
    """Where a thread is found; moments are microseconds of HubSpot's clock."""

    inbox: str
    """The inbox whose listings it is in; "" if one listing has all inboxes."""
    archived: bool
    place: int | None
    """The moment that it has in timestamp order; None if it has no message."""


@dataclasses.dataclass
class Saved:
    """A STATE that was written, and what the model knows of it."""

    value: dict[str, t.Any] | None
    swept_at: int | None = None
    """When the last complete sweep behind this state began, by the tap's clock."""

    @property
    def bookmarks(self) -> dict[str, int]:
        """The bookmark of each inbox."""
        return {
            (entry.get("context") or {}).get("inboxId", ""): moments.parse(
                entry["replication_key_value"]
            )
            for entry in self._entries
            if "replication_key_value" in entry
        }

    @property
    def version(self) -> int:
        """The version of the rows of the last complete sweep."""
        return max((e.get("sweep_version", 0) for e in self._entries), default=0)

    @property
    def sweep_began(self) -> int | None:
        """When the last complete sweep of all inboxes began, by the tap's clock."""
        noted = [e["sweep_began_at"] for e in self._entries if "sweep_began_at" in e]
        is_of_all = len(noted) == max(1, len(self._entries) - 1)
        return min(map(moments.parse, noted)) // 1_000 if is_of_all else None

    @property
    def _entries(self) -> list[dict[str, t.Any]]:
        threads = ((self.value or {}).get("bookmarks") or {}).get("threads", {})
        return [threads, *threads.get("partitions", [])]


@dataclasses.dataclass
class Run:
    """One run of the tap, and what happens to the account meanwhile."""

    start: Saved
    began: int
    """By the tap's clock, in milliseconds."""
    hubspot_began: int
    kept: frozenset[str]
    """The threads that were in the table before."""
    since: dict[str, int]
    """Where the changes of each inbox begin."""
    is_sweep_due: bool
    is_complete: bool = False
    round: int = 0
    """The round of the sweep; 0 before the first."""
    is_between: bool = True
    """Whether a round ends here and the next one has not begun."""
    moved: defaultdict[int, set[str]] = dataclasses.field(
        default_factory=lambda: defaultdict(set)
    )
    """By round, the threads that got to another place or left."""
    first_found: dict[str, int] = dataclasses.field(default_factory=dict)
    """In which round a thread was in an answer for the first time."""

    listings: int = 0
    """How often a listing in timestamp order was entered."""

    def observe(self, seen: SeenRequest) -> None:
        """Notice where a round of the sweep begins, before a request is answered."""
        self.listings += seen.param("sort") != "id" and seen.param("after") is None
        self.is_between = (
            seen.param("sort") == "id"
            and seen.param("after") is None
            and seen.param("archived") != "true"
            and seen.param("inboxId") in {None, INBOXES[0]}
        )

    def begin_round(self) -> None:
        """Go on with the request that was observed."""
        self.round += self.is_between


class Counts:
    """What all machines together have done, for the summary."""

    examples = runs = kills = faults = changes = steps = sweeps = slices = 0


class Machine(RuleBasedStateMachine):
    """An account, a table, and the states that runs have left."""

    @initialize(
        contract=st.fixed_dictionaries(
            {
                "inclusive": st.booleans(),
                "cursor": st.sampled_from(["key", "key", "offset"]),
                "cursor_encoded": st.booleans(),
                "last_page": st.sampled_from(["missing", "null", "empty", "echo"]),
                "empty_every": st.sampled_from([0, 0, 0, 1, 2]),
                "short_pages": st.sampled_from([False, False, True]),
                "silent_last": st.booleans(),
                "ids_as_text": st.booleans(),
                "swapped": st.sampled_from([0.0, 0.0, 0.3]),
                "late_seconds": st.sampled_from([0, 0, 0, 200]),
                "newer_last": st.sampled_from([0, 0, 5, 90 * 86_400]),
                "date": st.sampled_from(["right", "right", "missing", "unreadable"]),
                "date_skew_seconds": st.sampled_from(
                    [0, 0, 900, -900, 86_400, -86_400]
                ),
            }
        ),
        mode=st.sampled_from(["upsert", "versions", "versions", "batch"]),
        inboxes=st.booleans(),
        skew=st.sampled_from([0, 3_600, 3_600, -600]),
        lookback=st.sampled_from([0, 0, LOOKBACK]),
        size=st.integers(0, 12),
        parallel=st.sampled_from([4, 1]),
    )
    def begin(
        self,
        contract: dict[str, t.Any],
        mode: str,
        inboxes: bool,
        skew: int,
        lookback: int,
        size: int,
        parallel: int,
    ) -> None:
        """Choose a reading of the API, the settings and the clocks."""
        Counts.examples += 1
        self.contract = dict(contract)
        if skew > 0:
            # Of two wrong clocks that are ahead, no client can tell the present.
            self.contract["date_skew_seconds"] = min(
                0, contract.get("date_skew_seconds", 0)
            )
        if contract.get("cursor") == "offset":
            # A late message moves a row at no request that the model could see.
            self.contract["late_seconds"] = 0
        self.late = self.contract.get("late_seconds", 0) * moments.SECOND
        self.lookback = LOOKBACK if self.late else lookback
        self.account = Account(now="2026-01-01T00:00:00.000Z")
        self.account.clock.tick_ms = 700
        self.hubspot = FakeHubSpot(
            self.account,
            Contract(**self.contract),
            token=TOKEN,
            faults=FaultPlan().add(Fault(name="noted", edit=self._note)),
        )
        self.hubspot.__enter__()
        self.mode = mode
        self.inboxes = inboxes
        self.skew = skew
        self.parallel = parallel
        self.directory = Path(tempfile.mkdtemp())
        self.table: dict[str, tuple[Row, int | None]] = {}
        self.inbox_table: dict[str, tuple[Row, int | None]] = {}
        self.actors: dict[str, Row] = {}
        self.states = [Saved(None)]
        self.current: Run | None = None
        self.spots: dict[str, Spot] = {}
        self.since_when: dict[str, int] = {}
        self.slipped: dict[str, Spot] = {}
        self.hidden: list[tuple[int, int]] = []
        # Only what is settled and has some pages is read in slices.
        for number in range(24 + 3 * size if parallel > 1 else size):
            self.change("create", number)
            if number == 2:
                self.account.clock.advance(days=40)
            self.account.clock.advance(seconds=[2, 100, 400][number % 3])

    @override
    def teardown(self) -> None:
        """End the server."""
        if hasattr(self, "hubspot"):
            self.hubspot.__exit__(None, None, None)
        if hasattr(self, "directory"):
            shutil.rmtree(self.directory)

    # What happens to the account.

    def change(self, what: str, which: int) -> None:
        """Do one thing to one thread, and note which places have changed."""
        Counts.changes += 1
        self._do(what, which)
        spots = dict(self._look())
        now = self.account.clock.us
        if self.current is not None:
            now = max(now, self.current.hubspot_began + 1)
        for thread in spots.keys() | self.spots.keys():
            before, after = self.spots.get(thread), spots.get(thread)
            if before == after:
                continue
            self.since_when[thread] = now
            self.slipped.pop(thread, None)
            if before is not None and self.current is not None:
                if after is None or before[:2] != after[:2]:
                    self._note_move(thread)
                if self.contract.get("cursor") == "offset":
                    self._slip(before)
        self.spots = spots

    def _look(self) -> Iterator[tuple[str, Spot]]:
        """Give where each thread is found."""
        for thread in [*self.account.live_ids(), *self.account.archived_ids()]:
            entry = self.account.find(int(thread))
            assert entry is not None
            inbox = entry.row["inboxId"] if self.inboxes else ""
            yield thread, Spot(inbox, entry.row["archived"], entry.indexed)

    def _note_move(self, thread: str) -> None:
        run = self.current
        # What happens between two rounds hides a thread from neither.
        if run is not None and not run.is_between:
            run.moved[run.round].add(thread)

    def _slip(self, left: Spot) -> None:
        """Excuse the threads behind a row that leaves a listing.

        If HubSpot's cursors count rows, the next page skips one. The tap cannot see
        that, and the thread comes with the next sweep.
        """
        for thread, spot in self.spots.items():
            if spot[:2] == left[:2] and left.place and (spot.place or 0) > left.place:
                self.slipped[thread] = spot

    def _count_newer(self) -> int:
        entries = map(self.account.find, map(int, self.account.live_ids()))
        return sum(
            entry is not None and entry.latest != entry.indexed for entry in entries
        )

    def _do(self, what: str, which: int) -> None:
        account = self.account
        now = account.clock.us
        live, archived = account.live_ids(), account.archived_ids()
        if what in {"create", "silent"} or not live + archived:
            thread = account.create(
                inboxId=INBOXES[which % 2], latestMessageTimestamp=None
            )
            if what != "silent":
                account.message(thread)
            return
        if what == "wait":
            account.clock.advance(seconds=[1, 100, 1_000, 3_000, 9_000][which % 5])
            return
        if what == "reindex":
            account.reindex()
            return
        if what in {"rename", "retire", "dissolve", "leave"}:
            self._do_elsewhere(what, which)
            return
        if what in {"flip", "hop"}:
            thread = sorted(live + archived)[which % len(live + archived)]
            what = {"flip": "archive", "hop": "move"}[what]
            what = "restore" if what == "archive" and thread in archived else what
        elif what in {"restore", "purge"} and archived:
            thread = archived[which % len(archived)]
        elif live:
            thread = live[which % len(live)]
        else:
            thread = archived[which % len(archived)]
        entry = account.find(int(thread))
        assert entry is not None
        us = (entry.latest + now) // 2 if entry.latest else now
        middle = moments.to_datetime(us - us % moments.MILLISECOND)
        if what in {"lag", "old"} and self._count_newer() >= MOST_NEWER:
            what = "reindex"
        match what:
            case "message" if thread in live:
                account.message(thread)
            case "tie" if thread in live:
                # In the millisecond of another one, where bookmarks are.
                past = [m for m in account.places().values() if m <= account.clock.text]
                account.message(thread, at=max(past, default=account.clock.text))
            case "lag" if thread in live and entry.latest:
                account.message(thread, indexed=False)
            case "old" if thread in live and entry.latest:
                account.message(thread, at=middle, indexed=False)
            case "backdated" if thread in live:
                account.message(thread, at=middle)
            case "future" if thread in live and not self.late:
                ahead = [HOUR // 2, 2 * HOUR, 3 * DAY][which % 3]
                account.message(thread, at=moments.to_datetime(now + ahead))
            case "close":
                account.close(thread)
            case "reopen":
                account.reopen(thread)
            case "assign":
                account.assign(thread, account.random_actor())
            case "spam":
                account.mark_spam(thread, spam=bool(which % 2))
            case "link":
                account.link_ticket(thread, str(which))
            case "move" if not self._is_late(entry.latest):
                account.move(
                    thread, INBOXES[account.thread(thread)["inboxId"] == "700"]
                )
            case "archive" if thread in live:
                account.archive(thread)
            case "farewell" if thread in live:
                account.message(thread)
                account.archive(thread)
            case "crossing" if len(live) > 1:
                # One thread gets a message; then one goes, with a last message.
                account.message(live[(which + 1) % len(live)])
                account.message(thread)
                account.archive(thread)
            case "restore" if thread in archived:
                account.restore(thread)
            case "purge":
                account.purge(thread)

    def _do_elsewhere(self, what: str, which: int) -> None:
        """Change what is no thread."""
        directory = self.account.directory
        inboxes = [row["id"] for row in directory.inbox_rows()]
        agents = [row["id"] for row in directory.actor_rows()]
        if what == "leave" and len(agents) > 1:
            directory.remove_actor(agents[which % len(agents)])
        elif len(inboxes) > 1:
            inbox = inboxes[which % len(inboxes)]
            match what:
                case "rename":
                    directory.rename_inbox(inbox, f"inbox {which}")
                case "retire":
                    directory.archive_inbox(inbox)
                case "dissolve":
                    directory.delete_inbox(inbox)

    def _is_late(self, latest: int | None) -> bool:
        """Whether the newest message may not be shown yet.

        The fake then shows the thread in its old inbox, where it is no longer.
        """
        return latest is not None and latest > self.account.clock.us - self.late

    changes = st.tuples(st.sampled_from(CHANGES), st.integers(0, 50))

    @rule(
        todo=st.lists(changes, min_size=1, max_size=6),
        hours_back=st.sampled_from([0] * 12 + [1, 3, 48]),
    )
    def live_on(self, todo: Todo, hours_back: int = 0) -> None:
        """Let things happen between two runs; the tap's clock may be set back."""
        for what, which in todo:
            self.change(what, which)
        self.set_clock_back(hours_back)

    def set_clock_back(self, hours: int) -> None:
        """Set the clock of the tap's machine back."""
        if self.skew > -3 * 3_600:
            self.skew -= hours * 3_600

    # What the tap does.

    which_state = st.sampled_from([0, 0, 0, 0, 0, 1, 2, 4, 8, None, None])
    """How many states before the last one a run starts from; None for no state."""

    @rule(
        meanwhile=st.dictionaries(
            st.integers(1, 12) | st.integers(1, 60),
            st.lists(changes, min_size=1, max_size=4),
            max_size=4,
        ),
        kill_at=st.none() | st.integers(0, 24) | st.integers(0, 120),
        fault_at=st.sampled_from([None] * 12 + [*range(1, 7), 10, 20]),
        loop_at=st.sampled_from([0, 0, 0, 2, 4, 5, 6]),
        state=which_state,
    )
    def run_disturbed(
        self,
        meanwhile: dict[int, Todo],
        kill_at: int | None = None,
        fault_at: int | None = None,
        loop_at: int = 0,
        state: int | None = 0,
    ) -> None:
        """Run while threads change; the run may be killed or meet an error."""
        self.account.clock.advance(seconds=2)
        self.run(
            state,
            meanwhile=meanwhile,
            kill_at=kill_at,
            fault_at=fault_at,
            loop_at=loop_at,
        )

    @rule(
        what=st.sampled_from(["flip", "hop"]),
        which=st.integers(0, 50),
        numbers=st.sets(st.integers(1, 8), min_size=1, max_size=4),
    )
    def run_with_a_restless_thread(
        self, what: str, which: int, numbers: set[int]
    ) -> None:
        """Sweep while one thread goes to and fro, each time as a listing begins."""
        self.account.clock.advance(hours=3)
        listings = itertools.count(1)

        def when(seen: SeenRequest) -> Todo:
            begins = seen.param("sort") == "id" and seen.param("after") is None
            return [(what, which)] if begins and next(listings) in numbers else []

        self.run(when=when)

    @rule(state=which_state, hours=st.sampled_from([0.1, 1.0, 3.0]))
    def run_quietly(self, state: int | None = 0, hours: float = 0.1) -> None:
        """Run to the end while nothing changes: the table is as it should be."""
        self.account.clock.advance(hours=hours)
        run, output = self.run(state)
        assert run.is_complete
        found = [row["id"] for row in rows(output, "threads")]
        if self.parallel == 1:
            # In parallel, what is found to be out of order is read again.
            assert len(found) == len(set(found)), "a thread was written twice"
        if run.is_sweep_due:
            self.check_equal(run, output)
            self.slipped.clear()
            self.hidden.clear()
        self.check_messages(run)
        self.check_names(output)

    @property
    def now(self) -> int:
        """The tap's clock in milliseconds."""
        return int(self.account.clock.us // 1000 + self.skew * 1000)

    def run(
        self,
        state: int | None = 0,
        *,
        meanwhile: dict[int, Todo] | None = None,
        kill_at: int | None = None,
        fault_at: int | None = None,
        loop_at: int = 0,
        when: Callable[[SeenRequest], Todo] | None = None,
    ) -> tuple[Run, Output]:
        """Run the tap and load what it wrote.

        Args:
            state: How many states before the last one it starts from; None for nothing.
            meanwhile: What happens before requests, by their numbers.
            kill_at: After how many lines the run is killed.
            fault_at: The number of a request that is refused.
            loop_at: The page of a listing that repeats a cursor, once.
            when: Returns what else happens before a request.
        """
        Counts.runs += 1
        start = (
            Saved(None) if state is None else self.states[-1 - state % len(self.states)]
        )
        run = self.current = self._plan(start)
        loops: dict[str, t.Any] = (
            {"loop_at": loop_at, "loop_times": 1} if loop_at else {}
        )
        contract = Contract(**self.contract, **loops)
        self.hubspot.contract = contract
        self.hubspot._listing._pager._loops = 0

        def before(number: int, seen: SeenRequest) -> None:
            run.observe(seen)
            todo = (meanwhile or {}).get(number, [])
            for what, which in todo + (when(seen) if when else []):
                self.change(what, which)
            run.begin_round()
            if contract.newer_last and self._count_newer() >= MOST_NEWER:
                contract.newer_last = 0
            if number == fault_at:
                contract.versions = ()

        numbers = itertools.count(1)
        self.hubspot.before_request = lambda _, seen: before(next(numbers), seen)
        stdout = CutOff(kill_at)
        try:
            with harness.captured_stdout(stdout):
                harness.clocked(run.began)(
                    config=self.config(),
                    state=copy.deepcopy(run.start.value or {}),
                    catalog=harness.select(streams=STREAMS),
                ).sync_all()
            run.is_complete = True
        except Killed:
            Counts.kills += 1
        except EndlessListing:
            # Where cursors count rows, rows that come in before them repeat a page.
            Counts.faults += 1
            is_disturbed = meanwhile or when
            assert loop_at or (self.contract.get("cursor") == "offset" and is_disturbed)
        except HubSpotError:
            Counts.faults += 1
            assert fault_at is not None
        finally:
            self.hubspot.before_request = None
            self.current = None
        output = Output.parse(stdout.getvalue(), 0)
        Counts.slices += max(0, run.listings - (len(INBOXES) if self.inboxes else 1))
        self.load(output, run)
        return run, output

    def _plan(self, start: Saved) -> Run:
        began = self.now
        lookback = self.lookback * moments.SECOND
        return Run(
            start,
            began,
            self.account.clock.us,
            frozenset(self.table),
            {
                inbox: bookmark - lookback
                for inbox, bookmark in start.bookmarks.items()
                if is_usable(bookmark, began)
            },
            start.swept_at is None
            or start.swept_at > began
            or began - start.swept_at >= INTERVAL_HOURS * 3_600_000,
        )

    def _note(self, body: bytes) -> bytes:
        """Note which threads are in an answer."""
        run = self.current
        if run is not None:
            for row in json.loads(body).get("results", []):
                run.first_found.setdefault(row["id"], run.round)
        return body

    def config(self) -> dict[str, t.Any]:
        """Return the settings of all runs."""
        more: dict[str, t.Any] = {}
        if self.inboxes:
            more["inbox_ids"] = [int(inbox) for inbox in INBOXES]
        if self.mode == "batch":
            more["batch_config"] = batches(self.directory, 7)
        return harness.settings(
            self.hubspot.url,
            page_size=PAGE,
            max_parallel_requests=self.parallel,
            max_retry_seconds=0,
            lookback_seconds=self.lookback,
            sweep_interval_hours=INTERVAL_HOURS,
            emit_activate_version_messages=self.mode == "versions",
            **more,
        )

    def load(self, output: Output, run: Run) -> None:
        """Upsert the records, honor ACTIVATE_VERSION, keep the states."""
        last = Saved(run.start.value, run.start.swept_at)
        mentioned: set[str] = set()
        named: set[str] = set()
        for message in output.messages:
            stream = message.get("stream")
            if run.is_sweep_due and "version" in message and stream == "threads":
                assert message["version"] > run.start.version, "a version is not new"
            match message["type"]:
                case "RECORD" | "BATCH":
                    is_late = stream == "threads" and last.swept_at == run.began
                    assert not is_late, "a sweep was noted before it was complete"
                    self.load_rows(message, mentioned, named)
                case "ACTIVATE_VERSION" if stream == "inboxes":
                    self.inbox_table = activate(self.inbox_table, message["version"])
                case "ACTIVATE_VERSION":
                    self.table = activate(self.table, message["version"])
                    self.check_nothing_living_deleted(run)
                case "STATE":
                    assert mentioned <= named, "a STATE covers an unwritten actor"
                    saved = Saved(message["value"], run.start.swept_at)
                    if saved.sweep_began == run.began:
                        saved.swept_at = run.began
                    self.check_bookmarks(last, saved, run)
                    self.check_covered(saved, run)
                    self.states.append(saved)
                    last = saved
        if run.is_complete and run.is_sweep_due:
            Counts.sweeps += 1
            last.swept_at = run.began
        del self.states[:-20]

    def load_rows(self, message: t.Any, mentioned: set[str], named: set[str]) -> None:
        """Upsert the rows of a message; note the actors that a run has brought."""
        is_batch = message["type"] == "BATCH"
        version = message.get("version")
        for row in rows_of(message) if is_batch else [message["record"]]:
            match message["stream"]:
                case "threads":
                    self.table[row["id"]] = (row, version)
                    if is_colleague(row["assignedTo"]):
                        mentioned.add(row["assignedTo"])
                case "inboxes":
                    self.inbox_table[row["id"]] = (row, version)
                case "actors":
                    self.actors[row["id"]] = row
                    named.add(row["id"])

    # What must hold.

    def check_bookmarks(self, old: Saved, new: Saved, run: Run) -> None:
        """A bookmark never decreases, and is not in HubSpot's future."""
        before, after = old.bookmarks, new.bookmarks
        second = moments.SECOND
        present = self.account.clock.us // second * second + 999 * moments.MILLISECOND
        ahead = self._ahead() * second
        for inbox, value in before.items():
            if is_usable(value, run.began):
                assert after.get(inbox, 0) >= value, "a bookmark has decreased"
        for inbox, value in after.items():
            if value in before.values():
                continue
            assert value <= present + ahead, "a bookmark is in the future"
            if value > present:
                self._hide(run.hubspot_began, value)
            assert inbox in {*INBOXES, ""}

    def _ahead(self) -> float:
        """Return by how many seconds all clocks that the tap can see are ahead."""
        clocks: list[float] = [self.skew]
        if self.contract.get("date", "right") == "right":
            clocks.append(self.contract.get("date_skew_seconds", 0))
        return max(0, min(clocks))

    def _hide(self, since: int, until: int) -> None:
        """Excuse the messages that come before a bookmark from the future.

        It can only be written if a row is dated in the future and the tap has no right
        clock. The messages come with the next sweep.
        """
        self.hidden.append((since, until))

    def check_covered(self, saved: Saved, run: Run) -> None:
        """A bookmark covers no thread that was not written before it.

        That of a thread counts which the index had: a row can show a later moment than
        its place, and nothing lists it again until the index catches up.
        """
        for inbox, bookmark in saved.bookmarks.items():
            if inbox not in run.since and bookmark == run.start.bookmarks.get(inbox):
                continue  # ignored by this run, and by the next one as well
            overlap = bookmark - self.lookback * moments.SECOND
            for thread, spot in self._listed(inbox):
                assert spot.place is not None
                # What has come since the run began may come with the next run, too,
                # and so may what the overlap behind the first bookmark still brings.
                is_new = self._shown_at(thread, spot.place) > run.hubspot_began
                is_old = bookmark == run.start.bookmarks.get(inbox)
                if spot.place >= (overlap if is_new or is_old else bookmark):
                    continue
                if is_new and self._is_too_late(thread, spot.place):
                    continue
                if self._is_excused(thread, spot, run):
                    continue
                assert self._is_written(thread, spot.place), (
                    "a bookmark covers a thread that was not written: "
                    f"{thread} {spot} since {self.since_when[thread]}, {bookmark=}, "
                    f"{run.since=}, {run.hubspot_began=}, {self.table.get(thread)}"
                )

    def check_messages(self, run: Run) -> None:
        """After a complete run, no message is missing."""
        for inbox in (*INBOXES, ""):
            for thread, spot in self._listed(inbox):
                assert spot.place is not None
                if not self._is_excused(thread, spot, run):
                    assert thread in self.table, "a thread with a message is missing"
                    assert self._is_written(thread, spot.place), "a message is missing"

    def _listed(self, inbox: str) -> Iterator[tuple[str, Spot]]:
        """Give the threads of an inbox that are in timestamp order."""
        for thread, spot in self.spots.items():
            if not spot.archived and spot.place is not None and spot.inbox == inbox:
                yield thread, spot

    def _is_written(self, thread: str, place: int) -> bool:
        row, _ = self.table.get(thread, ({}, None))
        latest = row.get("latestMessageTimestamp")
        return latest is not None and bool(moments.parse(latest) >= place)

    def _shown_at(self, thread: str, place: int) -> int:
        """Return since when a thread is listed where it is."""
        return int(max(self.since_when[thread], place + self.late))

    def _is_too_late(self, thread: str, place: int) -> bool:
        """Whether a thread got to its place later than `lookback_seconds` allows.

        That goes for a late index, and likewise for a thread that leaves the trash or
        comes from another inbox: its message is old news there. A run that reads on
        from a later bookmark cannot see it, and the next sweep brings it.
        """
        lag = self._shown_at(thread, place) - place
        return lag > self.lookback * moments.SECOND

    def _is_excused(self, thread: str, spot: Spot, run: Run) -> bool:
        assert spot.place is not None
        if self.slipped.get(thread) == spot:
            return True
        if any(since <= spot.place < until for since, until in self.hidden):
            return True
        is_before = spot.place < run.since.get(spot.inbox, 0)
        return is_before and self._is_too_late(thread, spot.place)

    def check_equal(self, run: Run, output: Output) -> None:
        """After a complete sweep, each thread is as it is in the account."""
        expected = {row["id"]: written(row) for row in self.account.threads()}
        found = {key: row for key, (row, _) in self.table.items()}
        assert {key: found.get(key) for key in expected} == expected
        if self.mode == "versions":
            activated = [
                message["stream"]
                for message in output.messages
                if message["type"] == "ACTIVATE_VERSION"
            ]
            # An empty listing deletes nothing.
            assert activated == ["threads"] * bool(expected) + ["inboxes"]
            gone = {
                key
                for key in found.keys() - expected.keys()
                if not self._may_stay(key, run)
            }
            assert not gone, "purged threads are still in the table"

    def check_names(self, output: Output) -> None:
        """After a complete run, inboxes and mentioned actors are up to date."""
        schema = InboxesStream.schema
        directory = self.account.directory
        expected = {row["id"]: written(row, schema) for row in directory.inbox_rows()}
        found = {key: row for key, (row, _) in self.inbox_table.items()}
        assert {key: found.get(key) for key in expected} == expected
        if self.mode == "versions":
            assert found.keys() == expected.keys(), "a deleted inbox is still there"
        known = {row["id"]: row for row in directory.actor_rows()}
        for thread in rows(output, "threads"):
            if is_colleague(actor := thread["assignedTo"]):
                name = known.get(actor, {}).get("name")
                assert self.actors[actor]["name"] == name, "an actor's name is old"

    def _may_stay(self, thread: str, run: Run) -> bool:
        """Whether a later run than the start knows of wrote the row of a thread.

        If a clock is set back after a run that left no STATE of its sweep, the versions
        of its rows are ahead of all that follow. They go when the clock has caught up.
        """
        _, version = self.table[thread]
        return version is not None and version > run.start.version

    def check_nothing_living_deleted(self, run: Run) -> None:
        """ACTIVATE_VERSION comes after a round that missed nothing, and deletes so."""
        missed = {
            thread
            for thread in run.kept & run.first_found.keys()
            if run.first_found[thread] == run.round and not self._looks_new(thread, run)
        }
        assert not missed, "the last round of a sweep found more threads"
        lost = {
            thread
            for thread in run.kept & self.spots.keys() - self.table.keys()
            if not self._was_never_still(thread, run)
        }
        assert not lost, "a living thread was deleted"

    def _looks_new(self, thread: str, run: Run) -> bool:
        """Whether HubSpot's Date, as it arrives, says that the run is older."""
        skew = self.contract.get("date_skew_seconds", 0) * moments.SECOND
        if thread not in self.spots or self.contract.get("date", "right") != "right":
            return False
        created = moments.parse(self.account.thread(thread)["createdAt"])
        return bool(created >= run.hubspot_began + skew - moments.SECOND)

    def _was_never_still(self, thread: str, run: Run) -> bool:
        """Whether a thread could hide in every round of a sweep.

        It must move while each of them is read: away from a listing that is still to
        come, into one that is over. Where cursors count rows, an earlier row that
        leaves does the same. No number of rounds rules that out.
        """
        is_offset = self.contract.get("cursor") == "offset"
        order = str if self.contract.get("ids_as_text") else int
        return all(
            any(
                other == thread or (is_offset and order(other) < order(thread))  # type: ignore[operator]
                for other in run.moved[number]
            )
            for number in range(1, run.round + 1)
        )

    @invariant()
    def count(self) -> None:
        """Count the steps."""
        Counts.steps += 1


def is_usable(bookmark: int, began: int) -> bool:
    """Return whether a run starts from a bookmark.

    One that is more than a day ahead of the tap's clock was not written by this tap.
    """
    return bookmark <= began * 1000 + DAY


def is_colleague(actor: str | None) -> bool:
    """Return whether an actor is none of the customers, whom the tap leaves out."""
    return actor is not None and not actor.startswith(CUSTOMERS)


def activate(
    table: dict[str, tuple[Row, int | None]], version: int
) -> dict[str, tuple[Row, int | None]]:
    """Return the rows of a table that have no version, or no lower one."""
    return {
        key: (row, of)
        for key, (row, of) in table.items()
        if of is None or of >= version
    }


def rows(output: Output, stream: str) -> list[Row]:
    """Return the rows of a stream in a run, whether they are in files or not."""
    found: list[Row] = []
    for message in output.messages:
        if message.get("stream") == stream:
            if message["type"] == "BATCH":
                found += rows_of(message)
            elif message["type"] == "RECORD":
                found.append(message["record"])
    return found
