"""Threads in which something rare happens, and their metrics, worked out by hand."""

from __future__ import annotations

import dataclasses
import typing as t

from tests.support.metrics_tables import Tables, became, said, thread

NO_ANSWERS = {
    "application": "application",
    "colleague": "Bob's own mailbox",
    "comment": "comment",
    "nobody": "nobody",
    "system": "system",
}
"""Threads whose contact gets something that is no answer, and from whom."""

FUTURE = "2038-01-19T03:14:07Z"
PAST = "1970-01-01T00:00:00Z"


@dataclasses.dataclass
class Case:
    """The tables, and the values that metrics return, row by row, in order."""

    tables: Tables
    expected: dict[str, list[tuple[t.Any, ...]]]


REOPENED = Case(
    # a: three times. b, d and f: an event at the beginning is no reopening, nor is one
    # at the moment of the closing. c and e: another status is neither closed nor open.
    Tables(
        [
            thread("a", "02 09:00", "06 09:00"),
            thread("b", "02 09:00", "02 10:00"),
            thread("c", "02 09:00", status="SNOOZED"),
            thread("d", "02 09:00", status="CLOSED"),
            thread("e", "02 09:00", status="SNOOZED"),
            thread("f", "02 09:00", status="CLOSED"),
        ],
        [
            said("a", "02 09:00", "contact"),
            became("a", "02 10:00", "CLOSED"),
            became("a", "03 09:00", "OPEN"),
            became("a", "03 10:00", "CLOSED"),
            became("a", "05 09:00", "OPEN"),
            became("a", "05 10:00", "CLOSED"),
            became("a", "05 11:00", "OPEN"),
            became("a", "06 09:00", "CLOSED"),
            became("b", "02 09:00", "OPEN"),
            became("b", "02 10:00", "OPEN"),
            became("b", "02 10:00", "CLOSED"),
            became("c", "03 10:00", "SNOOZED"),
            became("c", "03 10:00", None),
            became("d", "02 10:00", "CLOSED"),
            became("d", "02 10:00", "OPEN"),
            became("e", "02 10:00", "CLOSED"),
            became("e", "02 11:00", "SNOOZED"),
            became("f", "02 10:00", "OPEN"),
            became("f", "02 10:00", "CLOSED"),
        ],
    ),
    {
        "reopen_rate": [("a", 1, 1, 1), *((name, 1, 0, 0) for name in "bdef")],
        "time_to_resolution": [("a", 1, 96, 96)],
        "never_answered": [("a", 1, 1, 1)],
        "backlog_by_day": [
            ("2026-03-02", 1),  # c
            ("2026-03-03", 1),
            ("2026-03-04", 1),
            ("2026-03-05", 2),
            ("2026-03-06", 1),
        ],
    },
)

CLOSINGS = Case(
    # a: closed before the answer. b: the contact writes again after the closing.
    # c: the contact only writes after the closing. d: closed, and open now, which
    # `threads` knew earlier. e: `threads` does not know yet that it is closed again.
    # f: nothing says since when it is closed. g: only an event does. h: what is left
    # from an earlier closing. i: `threads` does not know yet that it is open again.
    Tables(
        [
            thread("a", "02 09:00", "02 10:00"),
            thread("b", "02 09:00", "02 10:00"),
            thread("c", "02 09:00", "02 10:00"),
            thread("d", "02 09:00"),
            thread("e", "02 09:00", "02 10:00"),
            thread("f", "02 09:00", status="CLOSED"),
            thread("g", "02 09:00", status="CLOSED"),
            thread("h", "02 09:00", "02 10:00", status="OPEN"),
            thread("i", "02 09:00", "02 10:00"),
        ],
        [
            said("a", "02 09:00", "contact"),
            became("a", "02 10:00", "CLOSED"),
            said("a", "02 11:00", "Ann"),
            said("b", "02 09:00", "contact"),
            said("b", "02 09:30", "Ann"),
            became("b", "02 10:00", "CLOSED"),
            said("b", "02 11:00", "contact"),
            said("c", "02 09:00", "Ann"),
            became("c", "02 10:00", "CLOSED"),
            said("c", "02 11:00", "contact"),
            said("d", "02 09:00", "contact"),
            became("d", "02 10:00", "CLOSED"),
            became("d", "02 11:00", "OPEN"),
            said("e", "02 09:00", "contact"),
            became("e", "02 10:00", "CLOSED"),
            became("e", "03 10:00", "OPEN"),
            became("e", "04 10:00", "CLOSED"),
            said("f", "02 09:00", "contact"),
            became("f", "02 09:00", "OPEN"),
            said("g", "02 09:00", "contact"),
            became("g", "03 09:00", "CLOSED"),
            said("h", "02 09:00", "contact"),
            said("i", "02 09:00", "contact"),
            said("i", "02 09:00", "Ann"),  # in the same moment, so no answer
            became("i", "02 10:00", "CLOSED"),
            became("i", "02 11:00", "OPEN"),
        ],
    ),
    {
        "first_response_by_inbox": [
            ("a", 1, 0, 120, 120),
            ("b", 1, 0, 30, 30),
            *((name, 1, 1, None, None) for name in "cdefghi"),
        ],
        "never_answered": [
            ("a", 1, 0, 0),
            ("b", 1, 0, 0),
            *((name, 1, 1, 1) for name in "cefgi"),
        ],
        "time_to_resolution": [
            ("a", 1, 1, 1),
            ("b", 1, 1, 1),
            ("e", 1, 49, 49),
            ("g", 1, 24, 24),
            ("i", 1, 1, 1),
        ],
        "reopen_rate": [
            ("a", 1, 0, 0),
            ("b", 1, 0, 0),
            ("c", 1, 0, 0),
            ("d", 1, 1, 1),
            ("e", 1, 1, 1),
            ("f", 1, 0, 0),
            ("g", 1, 0, 0),
            ("i", 1, 1, 1),
        ],
        "backlog_by_day": [
            ("2026-03-02", 4),  # d, g, h, i
            ("2026-03-03", 4),  # d, e, h, i
            ("2026-03-04", 3),
        ],
        "waiting_now": [
            ("d", "d", "nobody", "2026-03-02 09:00:00", 18 * 24 + 3),
            ("h", "h", "nobody", "2026-03-02 09:00:00", 18 * 24 + 3),
        ],
        "load_by_agent": [("A-1", 0, 2, 4)],
    },
)

MERGED = Case(
    # Threads can have events and messages that are older than themselves. c was closed
    # at once. Nobody knows when d began.
    Tables(
        [
            thread("a", "04 09:00"),
            thread("b", "04 09:00", "03 09:00"),
            thread("c", "04 09:00", status="CLOSED"),
            thread("d", None, "09 09:00"),
        ],
        [
            said("a", "02 09:00", "contact"),
            became("a", "02 10:00", "CLOSED"),
            became("a", "03 09:00", "OPEN"),
            said("a", "05 09:00", "Ann"),
            became("b", "02 09:00", "OPEN"),
            became("b", "03 09:00", "CLOSED"),
            became("c", "04 09:00", "CLOSED"),
        ],
    ),
    {
        "backlog_by_day": [("2026-03-04", 1)],
        "first_response_by_inbox": [("a", 1, 0, 3 * 1440, 3 * 1440)],
        "reopen_rate": [("a", 1, 1, 1), ("b", 1, 0, 0), ("c", 1, 0, 0)],
    },
)

FIRST_ANSWERS = Case(
    Tables(
        [thread(name, "02 09:00") for name in "abcdefghi"],
        [
            *(said(name, "02 09:00", "contact") for name in "abcdefghi"),
            said("a", "02 09:01", "bot"),
            said("a", "02 10:00", "Ann"),
            said("b", "02 09:01", "AI"),
            said("b", "02 10:00", "Ann"),
            said("c", "02 09:01", "bot"),
            said("d", "02 09:01", "Ann"),
            said("d", "02 09:02", "bot"),
            said("d", "02 09:03", "AI"),
            said("d", "02 09:04", "Ann"),
            said("e", "02 09:01", "bot"),
            said("e", "02 09:01", "Ann"),
            said("f", "02 09:00", "bot"),  # at the moment of the question
            said("f", "02 09:05", "Ann"),
            said("g", "02 09:00", "Ann"),
            said("g", "02 09:05", "bot"),
            said("h", "02 08:55", "bot"),  # before the question
            said("h", "02 08:56", "Bob"),
            said("h", "02 09:10", "Bob"),
            said("i", "02 09:01", "contact", createdBy="B-7"),
            said("i", "02 09:05", "Bob"),
        ],
    ),
    {
        "answered_by_machine_first": [
            *((name, 1, 1, 1) for name in "abc"),
            *((name, 1, 0, 0) for name in "def"),
            ("g", 1, 1, 1),
            ("h", 1, 0, 0),
            ("i", 1, 0, 0),
        ],
        "first_response_by_inbox": [
            ("a", 1, 0, 60, 60),
            ("b", 1, 0, 60, 60),
            ("c", 1, 1, None, None),
            ("d", 1, 0, 1, 1),
            ("e", 1, 0, 1, 1),
            ("f", 1, 0, 5, 5),
            ("g", 1, 1, None, None),
            ("h", 1, 0, 10, 10),
            ("i", 1, 0, 5, 5),
        ],
        # 1 1 5 5 10 60 60
        "first_response_by_channel": [("1002", 9, 2, 5, 60)],
        "first_response_by_week": [("2026-03-02", 9, 2, 5, 60)],
        "load_by_agent": [("A-1", 0, 5, 7), ("A-2", 0, 2, 3)],
    },
)

UNANSWERED = Case(
    Tables(
        [thread(name, "02 09:00", "02 11:00") for name in NO_ANSWERS],
        [
            message
            for name, sender in NO_ANSWERS.items()
            for message in (
                said(name, "02 09:00", "contact"),
                said(name, "02 10:00", sender),
                said(name, "02 10:00", "welcome"),
                said(name, "02 10:00", "Ann", direction=None),
                # These have no direction, but it would change nothing.
                said(name, "02 10:00", "comment", direction="OUTGOING"),
                said(name, "02 09:30", "welcome", direction="OUTGOING"),
                said(name, "02 10:00", "Ann", type="WELCOME_MESSAGE"),
            )
        ],
    ),
    {
        "first_response_by_inbox": [(name, 1, 1, None, None) for name in NO_ANSWERS],
        "first_response_business_hours": [
            (name, 1, 1, None, None) for name in NO_ANSWERS
        ],
        "first_response_by_channel": [("1002", 5, 5, None, None)],
        "first_response_by_week": [("2026-03-02", 5, 5, None, None)],
        "never_answered": [(name, 1, 1, 1) for name in NO_ANSWERS],
        "answered_by_machine_first": [(name, 1, 0, 0) for name in NO_ANSWERS],
        "load_by_agent": [],
    },
)

NOT_THE_CONTACT = Case(
    # What a colleague, a bot or an AI agent wrote is no question, whatever its
    # direction; what is neither INCOMING nor OUTGOING is nothing.
    Tables(
        [
            thread(name, "02 09:00", "02 11:00")
            for name in ("A", "B", "L", "comment", "direction", "welcome")
        ],
        [
            *(
                said(kind, "02 09:00", "contact", createdBy=f"{kind}-1")
                for kind in "ABL"
            ),
            said("comment", "02 09:00", "contact", type="COMMENT"),
            said("direction", "02 09:00", "contact", direction=None),
            said("welcome", "02 09:00", "contact", type="WELCOME_MESSAGE"),
            *(
                said(name, "02 10:00", "Ann")
                for name in ("A", "B", "L", "comment", "direction", "welcome")
            ),
        ],
    ),
    {
        "first_response_by_inbox": [],
        "first_response_by_channel": [],
        "first_response_by_week": [],
        "first_response_business_hours": [],
        "answered_by_machine_first": [],
        "never_answered": [],
        "time_to_resolution": [],
        "waiting_now": [],
        "load_by_agent": [("A-1", 0, 0, 6)],
    },
)

WAITING = Case(
    Tables(
        [
            thread("a", "02 09:00", assignedTo="A-1"),
            thread("b", "02 09:00", assignedTo="A-2"),
            thread("c", "02 09:00", assignedTo="E-jo@example.com"),
            thread("d", "02 09:00", assignedTo="V-1"),
            thread("e", "02 09:00", assignedTo="B-7", inboxId=None),
            thread("f", "02 09:00", inboxId="1"),
            thread("g", "02 09:00"),
            thread("h", "02 09:00"),
            thread("i", "02 09:00"),
            thread("j", "02 09:00"),
            thread("k", "02 09:00"),
            thread("l", "02 09:00", status="SNOOZED"),
            thread("m", "02 09:00"),
        ],
        [
            said("a", "02 09:00", "contact"),
            said("a", "02 09:10", "Ann"),
            said("a", "02 15:00", "contact"),
            said("a", "02 16:00", "contact"),
            said("a", "02 17:00", "comment"),
            said("b", "02 12:00", "contact"),
            said("b", "02 13:00", "comment", direction="OUTGOING"),
            said("c", "02 13:00", "contact"),
            said("c", "02 13:01", "welcome"),
            said("c", "02 13:02", "Ann", direction=None),
            said("d", "02 13:00", "contact", createdBy=None),
            said("e", "02 14:00", "contact", createdBy="I-3"),
            said("f", "02 11:00", "contact"),
            said("g", "02 11:00", "contact"),
            said("g", "02 11:00", "Ann"),  # in the same moment
            said("h", "02 11:00", "contact"),
            said("h", "02 12:00", "application"),
            said("i", "02 11:00", "contact"),
            said("i", "02 12:00", "Bob's own mailbox"),
            said("j", "02 11:00", "contact"),
            said("j", "02 12:00", "contact", createdBy="B-7"),
            said("k", "02 11:00", "contact"),
            said("k", "02 12:00", "contact", createdBy="L-9"),
            said("l", "02 11:00", "contact"),
            said("m", "02 11:00", "contact", type="COMMENT"),
        ],
        inboxes=[{"id": "1", "name": "Support"}],
        actors=[
            {"id": "A-1", "name": "Ann"},
            {"id": "A-2", "name": ""},
            {"id": "V-1", "name": "Jo"},
            {"id": "E-jo@example.com", "name": "jo@example.com"},
        ],
    ),
    {
        # On the 20th at 12:00.
        "waiting_now": [
            ("f", "Support", "nobody", "2026-03-02 11:00:00", 18 * 24 + 1),
            ("b", "b", "A-2", "2026-03-02 12:00:00", 18 * 24),
            ("c", "c", "a contact", "2026-03-02 13:00:00", 18 * 24 - 1),
            ("d", "d", "a contact", "2026-03-02 13:00:00", 18 * 24 - 1),
            ("e", "unknown", "B-7", "2026-03-02 14:00:00", 18 * 24 - 2),
            ("a", "a", "Ann", "2026-03-02 15:00:00", 18 * 24 - 3),
        ],
    },
)

DATES_OF_MAIL = Case(
    # a is dated long before its thread begins, b and c long after now. The contact of c
    # wrote twice, and of d only the second mail has a wrong date.
    Tables(
        [
            thread("a", "02 09:00", "02 12:00", latestMessageTimestamp=PAST),
            thread("b", "02 09:00", "02 12:00", latestMessageTimestamp=FUTURE),
            thread("c", "02 09:00", latestMessageTimestamp=FUTURE),
            thread("d", "02 09:00", latestMessageTimestamp=FUTURE),
        ],
        [
            said("a", PAST, "contact"),
            said("a", "02 10:00", "Ann"),
            became("a", "02 12:00", "CLOSED"),
            said("b", FUTURE, "contact"),
            said("b", "02 10:00", "Ann"),
            became("b", "02 12:00", "CLOSED"),
            said("c", FUTURE, "contact"),
            said("d", "02 09:00", "contact"),
            said("d", "02 10:00", "Ann"),
            said("d", FUTURE, "contact"),
        ],
    ),
    {
        "first_response_by_inbox": [
            ("a", 1, 0, 20514 * 1440 + 600, 20514 * 1440 + 600),
            ("b", 1, 1, None, None),
            ("c", 1, 1, None, None),
            ("d", 1, 0, 60, 60),
        ],
        "first_response_by_week": [
            ("1969-12-29", 1, 0, 20514 * 1440 + 600, 20514 * 1440 + 600),
            ("2026-03-02", 1, 0, 60, 60),
        ],
        "time_to_resolution": [
            ("a", 1, 20514 * 24 + 12, 20514 * 24 + 12),
        ],
        "never_answered": [("a", 1, 0, 0), ("b", 1, 1, 1)],
        "backlog_by_day": [("2026-03-02", 2)],
        "waiting_now": [
            ("c", "c", "nobody", "2038-01-19 03:14:07", 0),
            ("d", "d", "nobody", "2038-01-19 03:14:07", 0),
        ],
    },
)

GROUPS = Case(
    # Two inboxes and two channels of the same name, another one, and none. Answers take
    # 10, 20, 20 and 40 minutes in inbox 1, and 10 and 30 in inbox 2.
    Tables(
        [
            thread(f"{number}", "02 09:00", "02 11:00")
            | {"inboxId": inbox, "originalChannelId": channel}
            for number, (inbox, channel) in enumerate(
                [
                    *[("1", "1000")] * 4,
                    *[("2", "1002")] * 2,
                    (None, None),
                    ("3", "1009"),
                ]
            )
        ][::-1],
        [
            *(said(f"{number}", "02 09:00", "contact") for number in range(7)),
            said("7", "02 09:00", "contact", createdBy=None),
            said("0", "02 09:20", "Ann"),
            said("1", "02 09:10", "Ann"),
            said("2", "02 09:40", "Ann"),
            said("3", "02 09:20", "Bob"),
            said("4", "02 09:30", "Bob"),
            said("5", "02 09:10", "bot"),
            said("5", "02 09:10", "Bob"),
            *(became(f"{number}", "02 11:00", "CLOSED") for number in range(8)),
        ],
        inboxes=[
            {"id": "2", "name": "Same"},
            {"id": "1", "name": "Same"},
            {"id": "3", "name": "Another"},
        ],
        channels=[
            {"id": "1002", "name": "Same"},
            {"id": "1000", "name": "Same"},
            {"id": "1009", "name": "Another"},
        ],
        actors=[{"id": "A-2", "name": "Same"}, {"id": "A-1", "name": "Same"}],
    ),
    {
        **{
            metric: [
                ("Another", 1, 1, None, None),
                ("Same", 4, 0, 20, 34),
                ("Same", 2, 0, 20, 28),
                ("unknown", 1, 1, None, None),
            ]
            for metric in (
                "first_response_by_inbox",
                "first_response_business_hours",
                "first_response_by_channel",
            )
        },
        # 10 10 20 20 30 40
        "first_response_by_week": [("2026-03-02", 8, 2, 20, 35)],
        "time_to_resolution": [
            ("Another", 1, 2, 2),
            ("Same", 4, 2, 2),
            ("Same", 2, 2, 2),
            ("unknown", 1, 2, 2),
        ],
        **{
            metric: [
                ("Another", 1, *last),
                ("Same", 4, 0, 0),
                ("Same", 2, 0, 0),
                ("unknown", 1, *last),
            ]
            for metric, last in {
                "reopen_rate": (0, 0),
                "answered_by_machine_first": (0, 0),
                "never_answered": (1, 1),
            }.items()
        },
        "load_by_agent": [("Same", 0, 3, 3), ("Same", 0, 3, 3)],
    },
)

AGENTS = Case(
    Tables(
        [
            thread("a", "02 09:00", assignedTo="A-1"),
            thread("b", "02 09:00", assignedTo="A-1"),
            thread("c", "02 09:00", "03 09:00", assignedTo="A-1"),
            thread("d", "02 09:00", assignedTo="A-2"),
            thread("e", "02 09:00", assignedTo="A-0"),
            thread("f", "02 09:00", assignedTo="B-7"),
            thread("g", "02 09:00", assignedTo="V-1"),
            thread("h", "02 09:00", status="SNOOZED", assignedTo="A-5"),
            thread("i", "02 09:00", assignedTo="A-4"),
            thread("j", "02 09:00", assignedTo="A-3"),
        ],
        [
            said("a", "02 08:00", "Ann"),  # before the question
            said("a", "02 09:00", "contact"),
            said("a", "02 09:00", "Bob"),  # in the moment of the question
            said("a", "02 10:00", "Bob"),
            said("a", "02 11:00", "Bob"),
            said("a", "02 12:00", "contact", createdBy="A-6"),
            said("b", "02 09:00", "Bob"),  # the contact never wrote
            said("c", "02 09:00", "contact"),
            said("c", "02 10:00", "Bob"),
            said("c", "02 10:00", "bot"),
            said("c", "02 10:00", "comment", direction="OUTGOING"),
            said("c", "02 10:00", "Ann", direction=None),
        ],
        actors=[
            {"id": "A-0", "name": ""},
            {"id": "A-1", "name": "Zoe"},
            {"id": "A-3", "name": "Cy"},
            {"id": "A-4", "name": "Bea"},
        ],
    ),
    {
        "load_by_agent": [
            ("Zoe", 2, 0, 1),
            ("A-2", 1, 2, 5),
            ("A-0", 1, 0, 0),
            ("Bea", 1, 0, 0),
            ("Cy", 1, 0, 0),
        ],
    },
)

HOURS = Case(
    # From the end of Sunday to the beginning of Monday.
    Tables(
        [thread("a", "02 09:00")],
        [
            said("a", "2026-03-01T23:59:59Z", "contact"),
            said("a", "02 00:00", "Ann"),
            said("a", "02 00:00", "bot"),
            said("a", "02 00:59", "contact", createdBy="X-1"),
            said("a", "02 00:00", "contact", createdBy="A-1"),
            said("a", "02 00:00", "contact", createdBy="B-7"),
            said("a", "02 00:00", "contact", createdBy="L-9"),
            said("a", "02 00:00", "contact", direction=None),
            said("a", "02 00:00", "comment"),
            said("a", "02 00:00", "welcome"),
            said("a", "02 00:00", "welcome", direction="OUTGOING"),
        ],
    ),
    {
        "messages_by_hour": [
            (day, hour, *{(1, 0): (1, 2), (7, 23): (1, 0)}.get((day, hour), (0, 0)))
            for day in range(1, 8)
            for hour in range(24)
        ],
        "first_response_by_week": [("2026-02-23", 1, 0, 1 / 60, 1 / 60)],
        "first_response_business_hours": [("a", 1, 0, 0, 0)],
    },
)

CASES = {
    "reopened": REOPENED,
    "closings": CLOSINGS,
    "merged": MERGED,
    "first answers": FIRST_ANSWERS,
    "unanswered": UNANSWERED,
    "not the contact": NOT_THE_CONTACT,
    "waiting": WAITING,
    "dates of mail": DATES_OF_MAIL,
    "groups": GROUPS,
    "agents": AGENTS,
    "hours": HOURS,
}
"""What a metric returns is written down for the metrics that a case is about."""
