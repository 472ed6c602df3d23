"""An account so small that its metrics can be worked out by hand."""

from __future__ import annotations

import itertools
import typing as t

from tests.fake_hubspot import Account

if t.TYPE_CHECKING:
    from tests.support.meltano_project import Row

LEFT_OUT = "1009"
"""The channel whose threads a filter keeps out of `threads`, not out of `messages`."""

STORY = """
Two            | Mon  2 09:00 | contact
Two            | Mon  2 09:10 | Bob
Two            | Mon  2 09:15 | bot
Only staff     | Mon  2 09:00 | Ann
Only staff     | Mon  2 17:00 | close
We began       | Mon  2 09:00 | Ann
We began       | Mon  2 09:05 | bot
We began       | Tue  3 09:00 | contact
We began       | Tue  3 09:30 | Ann
Reopened       | Mon  2 10:00 | contact
Reopened       | Mon  2 10:30 | Ann
Reopened       | Mon  2 11:00 | close
Reopened       | Tue  3 12:00 | reopen
Reopened       | Tue  3 12:01 | contact
Reopened       | Wed  4 13:00 | close
Bot first      | Mon  2 10:00 | contact
Bot first      | Mon  2 10:01 | bot
Bot first      | Mon  2 12:00 | Ann
Bot first      | Mon  2 12:01 | Ann takes it
AI only        | Mon  2 14:00 | contact
AI only        | Mon  2 14:01 | AI
AI only        | Mon  2 15:00 | close
Night, chat    | Tue  3 20:00 | contact
Night, chat    | Wed  4 07:00 | Bob
Night, chat    | Wed  4 08:00 | contact
Night, chat    | Wed  4 08:30 | contact
Staff mail     | Wed  4 08:00 | Bob's own mailbox
Staff mail     | Wed  4 09:00 | contact
Staff mail     | Wed  4 09:10 | Bob's own mailbox
Staff mail     | Wed  4 10:00 | Ann
Staff mail     | Wed  4 11:00 | close
Unknown sender | Wed  4 10:00 | contact
Unknown sender | Wed  4 10:05 | unknown
Unknown sender | Wed  4 10:06 | application
Same moment    | Thu  5 10:00 | contact
Same moment    | Thu  5 10:00 | Ann
Same moment    | Thu  5 10:15 | Ann
Spam           | Thu  5 11:00 | contact
Spam           | Thu  5 11:10 | Ann
Spam           | Thu  5 11:20 | spam
Archived       | Thu  5 11:00 | contact
Archived       | Thu  5 11:10 | Ann
Archived       | Thu  5 11:20 | archive
Left out       | Thu  5 12:00 | contact
Left out       | Thu  5 12:10 | Ann
909            | Thu  5 13:00 | contact
909            | Thu  5 13:20 | Ann
909            | Thu  5 13:30 | close
unknown        | Thu  5 14:00 | contact
unknown        | Thu  5 15:00 | close
Friday         | Fri  6 16:30 | contact
Friday         | Fri  6 18:00 | contact
Friday         | Mon  9 09:20 | Ann
Friday         | Mon  9 10:00 | close
Weekend, chat  | Sat  7 10:00 | contact
Weekend, chat  | Sun  8 11:00 | Ann
No answer      | Sat  7 12:00 | contact
No answer      | Sat  7 12:01 | welcome
No answer      | Sat  7 12:05 | comment
No answer      | Sat  7 12:06 | Bob takes it
Two again      | Mon  9 09:00 | contact
Two again      | Mon  9 09:20 | Bob
"""
"""What happens in each thread, from Monday, March 2, 2026.

Each thread has an inbox of its own, except that `Two again` is in `Two`. Everybody
writes e-mail, unless the name says chat. Ann is A-1. Bob is A-2, without a name.
"""

WHO: dict[str, dict[str, t.Any]] = {
    "contact": {"sent": False},
    "Ann": {"sent": True, "createdBy": "A-1"},
    "Bob": {"sent": True, "createdBy": "A-2"},
    "Bob's own mailbox": {"sent": False, "createdBy": "A-2"},
    "bot": {"sent": True, "createdBy": "B-7"},
    "AI": {"sent": True, "createdBy": "L-9"},
    "application": {"sent": True, "createdBy": "I-3"},
    "unknown": {"sent": True, "createdBy": "X-5"},
    "welcome": {"sent": True, "type": "WELCOME_MESSAGE", "direction": None},
}


def small_account() -> Account:
    """Return the account in which the story has happened."""
    account = Account(now="2026-03-01T00:00:00Z")
    account.clock.tick_ms = 0
    account.directory.add_actor("A-1", name="Ann")
    account.directory.add_actor("A-2", name=None)
    lines = [line.split("|") for line in STORY.strip().splitlines()]
    threads: dict[str, str] = {}
    for label, when, what in sorted(lines, key=lambda line: line[1][5:]):
        _, day, time = when.split()
        _happen(
            account, threads, label.strip(), f"2026-03-0{day}T{time}:00Z", what.strip()
        )
    return account


def _happen(
    account: Account, threads: dict[str, str], label: str, when: str, what: str
) -> None:
    """Let one line of the story happen."""
    account.clock.set(when)
    name, _, channel = label.removesuffix(" again").partition(", ")
    if label not in threads:
        inboxes = {x["name"]: x["id"] for x in account.directory.inbox_rows()}
        inbox = {"909": "909", "unknown": None}.get(name) or inboxes.get(name)
        if not inbox and name != "unknown":
            inbox = account.directory.add_inbox(name)
        threads[label] = account.create(
            createdAt=when,
            inboxId=inbox,
            originalChannelId={"Left out": LEFT_OUT}.get(
                name, "1000" if channel else "1002"
            ),
            latestMessageTimestamp=None,
        )
    thread = threads[label]
    if what in WHO:
        account.message(thread, when, **WHO[what])
    elif what == "close":
        account.update(thread, status="CLOSED", closedAt=when)
    elif what.endswith(" takes it"):
        account.assign(thread, WHO[what.removesuffix(" takes it")]["createdBy"])
    elif what == "spam":
        account.mark_spam(thread)
    else:  # reopen, comment, archive
        getattr(account, what)(thread)


# Threads, unanswered ones, and the minutes of the only answer. "Only staff" is missing:
# there, the contact has not written.
WAITS: dict[str, tuple[int, int, float | None]] = {
    "Reopened": (1, 0, 30),
    "Bot first": (1, 0, 120),  # the bot is no person
    "AI only": (1, 1, None),
    "We began": (1, 0, 30),  # from the contact's first message, on Tuesday
    "Night": (1, 0, 660),  # from 20:00 to 07:00
    "Staff mail": (1, 0, 60),  # Bob's mails at 08:00 and 09:10 do not count
    "Unknown sender": (1, 1, None),  # nor do X-5 and I-3
    "Same moment": (1, 0, 15),  # the message at 10:00 answers nothing
    "909": (1, 0, 20),  # an inbox that is not listed
    "unknown": (1, 1, None),  # no inbox
    "Friday": (1, 0, 3890),  # from the first of two: 2 days, 16 hours, 50 minutes
    "Weekend": (1, 0, 1500),  # 25 hours
    "No answer": (1, 1, None),  # a welcome message and a comment
}
AT_NIGHT_AND_ON_WEEKENDS = {
    "Night": 0,  # the office opened after the answer
    "Friday": 50,  # 30 minutes until 17:00, and 20 from 09:00
    "Weekend": 0,
}


def waits(label: str, minutes: float | None, threads: int = 1) -> Row:
    """Return a row with at most one answer."""
    return {
        "inbox": label,
        "threads": threads,
        "unanswered": int(minutes is None),
        "median_minutes": minutes,
        "p90_minutes": minutes,
    }


TWO = {"inbox": "Two", "threads": 2, "unanswered": 0}
TWO |= {"median_minutes": 15, "p90_minutes": 19}
"""Answers after 10 and after 20 minutes."""

HOURS = {
    # Monday. 09: Two and Two again are asked, and answered with one bot; Ann writes in
    # Only staff, We began and Friday, and a bot in We began.
    (1, 9): (2, 7),
    (1, 10): (2, 2),  # Reopened and Bot first
    (1, 12): (0, 1),  # Ann in Bot first
    (1, 14): (1, 1),  # AI only
    (2, 9): (1, 1),  # We began
    (2, 12): (1, 0),  # Reopened
    (2, 20): (1, 0),  # Night
    (3, 7): (0, 1),  # Night
    (3, 8): (2, 0),  # Night; Bob's own mailbox is neither
    (3, 9): (1, 0),  # Staff mail
    (3, 10): (1, 3),  # Unknown sender with X-5 and I-3; Ann in Staff mail
    (4, 10): (1, 2),  # Same moment
    (4, 13): (1, 1),  # 909
    (4, 14): (1, 0),  # unknown
    (5, 16): (1, 0),  # Friday
    (5, 18): (1, 0),  # Friday
    (6, 10): (1, 0),  # Weekend
    (6, 12): (1, 0),  # No answer; a welcome message is not sent
    (7, 11): (0, 1),  # Weekend
}

SMALL: dict[str, list[Row]] = {
    "first_response_by_inbox": [
        TWO,
        *(waits(label, minutes) for label, (_, _, minutes) in WAITS.items()),
    ],
    "first_response_by_channel": [
        # Night and Weekend: 660 and 1500 minutes. 660 + 0.9 * 840 = 1416.
        {"channel": "LIVE_CHAT", "threads": 2, "unanswered": 0}
        | {"median_minutes": 1080, "p90_minutes": 1416},
        # 10 15 20 20 [30] 30 60 120 3890; 0.9 * 8 = 7.2, and 120 + 0.2 * 3770 = 874.
        {"channel": "EMAIL", "threads": 13, "unanswered": 4}
        | {"median_minutes": 30, "p90_minutes": 874},
    ],
    "first_response_by_week": [
        # 10 15 20 30 [30 60] 120 660 1500 3890; 1500 + 0.1 * 2390 = 1739. Friday is
        # answered in the week after.
        {"week": "2026-03-02", "threads": 14, "unanswered": 4}
        | {"median_minutes": 45, "p90_minutes": 1739},
        # Two again.
        {"week": "2026-03-09", "threads": 1, "unanswered": 0}
        | {"median_minutes": 20, "p90_minutes": 20},
    ],
    "first_response_business_hours": [
        TWO,
        *(
            waits(label, AT_NIGHT_AND_ON_WEEKENDS.get(label, minutes))
            for label, (_, _, minutes) in WAITS.items()
        ),
    ],
    "time_to_resolution": [
        {"inbox": label, "resolved": 1, "median_hours": hours, "p90_hours": hours}
        for label, hours in {
            "Reopened": 51,  # until the second closing: 2 days, 3 hours
            "AI only": 1,
            "Staff mail": 2,  # from the contact's first message, at 09:00
            "909": 0.5,
            "unknown": 1,
            "Friday": 65.5,
        }.items()
    ],
    "reopen_rate": [
        {"inbox": label, "closed": 1, "reopened": reopened, "rate": reopened}
        for label, reopened in {
            "Only staff": 0,
            "Reopened": 1,
            "AI only": 0,
            "Staff mail": 0,
            "909": 0,
            "unknown": 0,
            "Friday": 0,
        }.items()
    ],
    "backlog_by_day": [
        {"day": f"2026-03-0{day}", "open_threads": count}
        for day, count in {
            2: 3,  # Two, We began, Bot first
            3: 5,  # Night, and Reopened
            4: 5,  # Unknown sender; Reopened is closed
            5: 6,  # Same moment
            6: 7,  # Friday
            7: 9,  # Weekend, No answer
            8: 9,  # nothing happened
            9: 9,  # Two again; Friday is closed
        }.items()
    ],
    "messages_by_hour": [
        {"weekday": weekday, "hour": hour, "received": received, "sent": sent}
        for weekday, hour in itertools.product(range(1, 8), range(24))
        for received, sent in [HOURS.get((weekday, hour), (0, 0))]
    ],
    "answered_by_machine_first": [
        {"inbox": label, "threads": threads, "machine_first": first, "share": first}
        for label, (threads, _, _) in {"Two": (2, 0, 0), **WAITS}.items()
        # In We began, the bot wrote before the contact; in Two, after Bob.
        for first in [int(label in {"Bot first", "AI only"})]
    ],
    "load_by_agent": [
        # Open: Bot first. Answered: We began, Reopened, Bot first, Staff mail, Same
        # moment, 909, Friday, Weekend. Sent: one each, one more in We began and Same
        # moment, and one in Only staff.
        {"agent": "Ann", "open_threads": 1, "threads_answered": 8, "messages_sent": 11},
        # Open: No answer. Answered: Two, Two again, Night.
        {"agent": "A-2", "open_threads": 1, "threads_answered": 3, "messages_sent": 3},
    ],
    "waiting_now": [
        # Since the first of two messages after Bob's.
        {"inbox": "Night", "assigned_to": "nobody"}
        | {"waiting_since": "2026-03-04 08:00:00"},
        {"inbox": "No answer", "assigned_to": "A-2"}
        | {"waiting_since": "2026-03-07 12:00:00"},
    ],
    "never_answered": [
        {"inbox": label, "threads": 1, "never_answered": never, "share": never}
        for label, never in {
            "Reopened": 0,
            "AI only": 1,  # not by a person
            "Staff mail": 0,
            "909": 0,
            "unknown": 1,
            "Friday": 0,
        }.items()
    ],
}
"""What each file returns for the story, by hand."""
