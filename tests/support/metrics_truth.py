"""What the metrics of an account are, from its threads and histories, without SQL.

Every metric goes through the history of one thread after another. Business hours are
added up day by day.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import functools
import itertools
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.meltano_project import Row

DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
WORKDAYS: dict[int, tuple[float, float]] = dict.fromkeys(range(1, 6), (9, 17))
"""When the office opens and closes, by weekday. 1 is Monday."""

MACHINES = ("B-", "L-")


def moment(text: str) -> dt.datetime:
    """Return a date-time in UTC as the tap writes it, with milliseconds."""
    exact = dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)


class Said(t.NamedTuple):
    """A message in a thread."""

    moment: dt.datetime
    actor: str
    is_sent: bool

    @property
    def is_by_contact(self) -> bool:
        """Whether a contact wrote it, and not a colleague in another mailbox."""
        return not self.is_sent and self.actor[:2] not in {"A-", *MACHINES}

    @property
    def is_by_person(self) -> bool:
        """Whether an agent sent it to the contact."""
        return self.is_sent and self.actor.startswith("A-")

    @property
    def is_by_machine(self) -> bool:
        """Whether a bot or an AI agent sent it to the contact."""
        return self.is_sent and self.actor.startswith(MACHINES)


@dataclasses.dataclass
class Thread:
    """A thread that counts, and what happened in it, in order."""

    row: Row
    history: list[Row]

    @functools.cached_property
    def said(self) -> list[Said]:
        """Its messages. Of two at the same moment, that of the contact comes first."""
        messages = [
            Said(
                moment(row["createdAt"]),
                row.get("createdBy") or "",
                row["direction"] == "OUTGOING",
            )
            for row in self.history
            if row["type"] == "MESSAGE"
        ]
        return sorted(messages, key=lambda x: (x.moment, not x.is_by_contact))

    @functools.cached_property
    def asked(self) -> dt.datetime | None:
        """When the contact first wrote."""
        return next((each.moment for each in self.said if each.is_by_contact), None)

    @property
    def replies(self) -> list[Said]:
        """What was sent after the contact first wrote."""
        asked = self.asked
        if asked is None:
            return []
        return [each for each in self.said if each.is_sent and each.moment > asked]

    @property
    def answered(self) -> dt.datetime | None:
        """When a person first answered."""
        return next((each.moment for each in self.replies if each.is_by_person), None)

    @property
    def is_machine_first(self) -> bool:
        """Whether a machine answered earlier than a person did."""
        machines = [each.moment for each in self.replies if each.is_by_machine]
        return bool(machines) and (self.answered is None or machines[0] < self.answered)

    @functools.cached_property
    def changes(self) -> list[tuple[dt.datetime, str]]:
        """When its status changed, and to what."""
        found = [
            (moment(row["createdAt"]), row["newStatus"])
            for row in self.history
            if row["type"] == "THREAD_STATUS_CHANGE"
        ]
        closed_at = self.row.get("closedAt")
        if self.row["status"] == "CLOSED" and closed_at:
            found.append((moment(closed_at), "CLOSED"))
        # Of two changes at the same moment, the closing is the last one.
        return sorted(found, key=lambda change: (change[0], change[1] == "CLOSED"))

    @property
    def is_reopened(self) -> bool:
        """Whether it was opened after it was closed."""
        closed = next((at for at, status in self.changes if status == "CLOSED"), None)
        return closed is not None and any(
            at > closed for at, status in self.changes if status == "OPEN"
        )

    def was_open(self, at: dt.datetime) -> bool:
        """Return whether it was open just before a moment."""
        begun = moment(self.row["createdAt"])
        before = [(when, status) for when, status in self.changes if begun <= when < at]
        return before[-1][1] == "OPEN" if before else begun < at

    @property
    def waiting_since(self) -> dt.datetime | None:
        """Since when the contact has been waiting for a message."""
        since = None
        for each in self.said:
            since = (since or each.moment) if each.is_by_contact else None
        return since


@dataclasses.dataclass
class Truth:
    """The metrics of some threads; the methods are named as the files.

    Attributes:
        rows: The threads, including those that do not count.
        histories: What happened in each thread, in order.
        names: The name of each ID, by stream; None if there is no name.
        now: Until when contacts have been waiting.
        zone: In which time zone weeks, days and hours begin.
        hours: When the office opens and closes, by weekday.
    """

    rows: Iterable[Row]
    histories: dict[str, list[Row]]
    names: dict[str, dict[str, str | None]]
    now: dt.datetime
    zone: dt.tzinfo = dt.UTC
    hours: dict[int, tuple[float, float]] = dataclasses.field(
        default_factory=lambda: dict(WORKDAYS)
    )

    def of(self, metric: str) -> list[Row]:
        """Return the rows of a metric."""
        rows: list[Row] = getattr(self, metric)()
        return rows

    @functools.cached_property
    def threads(self) -> list[Thread]:
        """The threads that count."""
        return [
            Thread(row, self.histories[row["id"]])
            for row in self.rows
            if not row["archived"] and not row["spam"]
        ]

    @property
    def asked(self) -> list[Thread]:
        """The threads in which the contact has written."""
        return [thread for thread in self.threads if thread.asked]

    def name(self, stream: str, identity: str | None) -> str:
        """Return the name of an ID, or the ID if there is none."""
        if identity is None:
            return "unknown"
        return self.names[stream].get(identity) or identity

    def assignee(self, identity: str | None) -> str:
        """Return the name of an assignee, who can be a customer or nobody."""
        if identity is None:
            return "nobody"
        is_customer = identity.startswith(("E-", "V-"))
        return "a contact" if is_customer else self.name("actors", identity)

    def local(self, at: dt.datetime) -> dt.datetime:
        """Return what clocks in the time zone show."""
        return at.astimezone(self.zone).replace(tzinfo=None)

    def by_inbox(
        self, threads: Iterable[Thread]
    ) -> Iterator[tuple[dict[str, str], list[Thread]]]:
        """Group threads by inbox."""
        groups: dict[str | None, list[Thread]] = collections.defaultdict(list)
        for thread in threads:
            groups[thread.row.get("inboxId")].append(thread)
        for inbox, group in groups.items():
            yield {"inbox": self.name("inboxes", inbox)}, group

    def first_response_by_inbox(self) -> list[Row]:
        return [
            label | _waits([_minutes(thread) for thread in threads])
            for label, threads in self.by_inbox(self.asked)
        ]

    def first_response_by_channel(self) -> list[Row]:
        waits = collections.defaultdict(list)
        for thread in self.asked:
            waits[thread.row.get("originalChannelId")].append(_minutes(thread))
        return [
            {"channel": self.name("channels", channel)} | _waits(minutes)
            for channel, minutes in waits.items()
        ]

    def first_response_by_week(self) -> list[Row]:
        waits = collections.defaultdict(list)
        for thread in self.asked:
            asked = t.cast("dt.datetime", thread.asked)
            if asked <= self.now:
                day = self.local(asked).date()
                waits[day - day.weekday() * DAY].append(_minutes(thread))
        return [
            {"week": str(week)} | _waits(minutes)
            for week, minutes in sorted(waits.items())
        ]

    def first_response_business_hours(self) -> list[Row]:
        return [
            label | _waits([self.business_minutes(thread) for thread in threads])
            for label, threads in self.by_inbox(self.asked)
        ]

    def business_minutes(self, thread: Thread) -> float | None:
        """Return how long a first answer took, day by day."""
        if thread.asked is None or thread.answered is None:
            return None
        begin, end = self.local(thread.asked), self.local(thread.answered)
        total = dt.timedelta()
        midnight = dt.datetime.combine(begin.date(), dt.time())
        while midnight < end:
            opens, closes = self.hours.get(midnight.isoweekday(), (0, 0))
            first = max(begin, midnight + opens * HOUR)
            last = min(end, midnight + closes * HOUR)
            total += max(last - first, dt.timedelta())
            midnight += DAY
        return total / MINUTE

    def time_to_resolution(self) -> list[Row]:
        hours = collections.defaultdict(list)
        for thread in self.asked:
            closings = [at for at, status in thread.changes if status == "CLOSED"]
            asked = t.cast("dt.datetime", thread.asked)
            if thread.row["status"] == "CLOSED" and closings and closings[-1] > asked:
                wait = (closings[-1] - asked) / HOUR
                hours[thread.row.get("inboxId")].append(wait)
        return [
            {
                "inbox": self.name("inboxes", inbox),
                "resolved": len(waits),
                "median_hours": percentile(waits, 0.5),
                "p90_hours": percentile(waits, 0.9),
            }
            for inbox, waits in hours.items()
        ]

    def reopen_rate(self) -> list[Row]:
        closed = [
            thread
            for thread in self.threads
            if thread.history
            and "CLOSED" in {thread.row["status"], *(x for _, x in thread.changes)}
        ]
        return [
            label | _share("closed", "reopened", "rate", [x.is_reopened for x in group])
            for label, group in self.by_inbox(closed)
        ]

    def backlog_by_day(self) -> list[Row]:
        threads = [thread for thread in self.threads if thread.row.get("createdAt")]
        moments = [moment(thread.row["createdAt"]) for thread in threads]
        moments += [at for thread in threads for at, _ in thread.changes]
        day, last = self.local(min(moments)).date(), self.local(max(moments)).date()
        rows = []
        while day <= last:
            end = dt.datetime.combine(day + DAY, dt.time(), self.zone)
            count = sum(thread.was_open(end) for thread in threads)
            rows.append({"day": str(day), "open_threads": count})
            day += DAY
        return rows

    def messages_by_hour(self) -> list[Row]:
        counts: collections.Counter[tuple[int, int, str]] = collections.Counter()
        for thread in self.threads:
            for each in thread.said:
                at = self.local(each.moment)
                way = {True: "sent", False: "received" if each.is_by_contact else ""}
                counts[at.isoweekday(), at.hour, way[each.is_sent]] += 1
        return [
            {
                "weekday": weekday,
                "hour": hour,
                "received": counts[weekday, hour, "received"],
                "sent": counts[weekday, hour, "sent"],
            }
            for weekday, hour in itertools.product(range(1, 8), range(24))
        ]

    def answered_by_machine_first(self) -> list[Row]:
        names = ("threads", "machine_first", "share")
        return [
            label | _share(*names, [thread.is_machine_first for thread in threads])
            for label, threads in self.by_inbox(self.asked)
        ]

    def never_answered(self) -> list[Row]:
        closed = [x for x in self.asked if x.row["status"] == "CLOSED"]
        names = ("threads", "never_answered", "share")
        return [
            label | _share(*names, [thread.answered is None for thread in threads])
            for label, threads in self.by_inbox(closed)
        ]

    def load_by_agent(self) -> list[Row]:
        counts: dict[str, collections.Counter[str]] = collections.defaultdict(
            collections.Counter
        )
        for thread in self.threads:
            assignee = thread.row.get("assignedTo") or ""
            if thread.row["status"] == "OPEN" and assignee.startswith("A-"):
                counts[assignee]["open_threads"] += 1
            for agent in {each.actor for each in thread.replies if each.is_by_person}:
                counts[agent]["threads_answered"] += 1
            for each in thread.said:
                if each.is_by_person:
                    counts[each.actor]["messages_sent"] += 1
        names = ("open_threads", "threads_answered", "messages_sent")
        return [
            {"agent": self.name("actors", agent)}
            | {name: count[name] for name in names}
            for agent, count in counts.items()
        ]

    def waiting_now(self) -> list[Row]:
        return [
            {
                "thread": thread.row["id"],
                "inbox": self.name("inboxes", thread.row.get("inboxId")),
                "assigned_to": self.assignee(thread.row.get("assignedTo")),
                "waiting_since": since,
                "hours": (self.now - since) / HOUR,
            }
            for thread in self.threads
            if thread.row["status"] == "OPEN" and (since := thread.waiting_since)
        ]


def percentile(values: list[float], share: float) -> float | None:
    """Return a percentile, interpolated as PERCENTILE_CONT does."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _minutes(thread: Thread) -> float | None:
    if thread.asked is None or thread.answered is None:
        return None
    return (thread.answered - thread.asked) / MINUTE


def _waits(minutes: list[float | None]) -> Row:
    waits = [each for each in minutes if each is not None]
    return {
        "threads": len(minutes),
        "unanswered": len(minutes) - len(waits),
        "median_minutes": percentile(waits, 0.5),
        "p90_minutes": percentile(waits, 0.9),
    }


def _share(all_of: str, some: str, share: str, outcomes: list[bool]) -> Row:
    return {
        all_of: len(outcomes),
        some: sum(outcomes),
        share: sum(outcomes) / len(outcomes),
    }
