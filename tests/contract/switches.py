"""How readings and the switches of the fake correspond.

`settings_of` turns the table of a real account into switches, so that the suite can run
against a fake that answers like that account. `expected` goes the other way.
"""

from __future__ import annotations

import dataclasses
import typing as t

from tests.contract.computed import ACCEPTANCE, COMPUTED, NULLS
from tests.contract.probes_messages import EMPTY, NEWEST, NOT_FOUND, OLDEST, SERVED
from tests.contract.probes_names import ALSO, ERROR_200, ERROR_207, LACKING, ONLY
from tests.contract.probes_parameters import ACCEPTED, IGNORED, REFUSED
from tests.contract.readings import NONE

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.fake_hubspot import Contract, Shape

    Value: t.TypeAlias = t.Any

ENDS = {
    "missing": "paging is missing",
    "null": "paging is null",
    "empty": "paging is {}",
    "next_null": "paging.next is null",
    "next_empty": "paging.next is {}",
    "echo": "an empty page repeats the cursor",
}

_YES_NO = {True: "yes", False: "no"}
_MEANS = {"only": ONLY, "also": ALSO}

SWITCHES: dict[str, tuple[str, dict[Value, str]]] = {
    "bound latestMessageTimestampAfter": (
        "inclusive",
        {True: "inclusive", False: "exclusive"},
    ),
    "cursor of threads": (
        "cursor",
        {
            "key": "holds the ID of the last row",
            "offset": "holds the number of rows before",
        },
    ),
    "cursor arrives percent-encoded": ("cursor_encoded", _YES_NO),
    "cursor with other parameters": (
        "cursor_bound",
        {True: REFUSED, False: ACCEPTED},
    ),
    "end of a list of threads": ("last_page", ENDS),
    "end of a list of messages": ("last_page", ENDS),
    "end of the other lists": ("last_page", ENDS),
    "paging.next.link": (
        "link",
        {
            "right": "the same path",
            "other_path": "another path",
            "other_host": "another host",
            "missing": "missing",
        },
    ),
    "order by ID": ("ids_as_text", {True: "as texts", False: "as numbers"}),
    "fields of threads without a value": ("nulls", NULLS),
    "fields of messages without a value": ("nulls", NULLS),
    "fields of inboxes and channel accounts without a value": ("nulls", NULLS),
    "fields of actors without a value": ("nulls", NULLS),
    "threadStatus without associatedContactId": (
        "status_ignored",
        {True: IGNORED, False: "filters"},
    ),
    "archived threads sorted by timestamp": ("archived_by_timestamp", ACCEPTANCE),
    "threads without a message in timestamp order": (
        "silent_last",
        {True: "last", False: "not listed"},
    ),
    "Date header": (
        "date",
        {
            "right": "in every response",
            "missing": "missing",
            "unreadable": "unreadable",
        },
    ),
    "unknown parameter of inboxes": (
        "sibling_strict",
        {True: REFUSED, False: IGNORED},
    ),
    "archived=true for inboxes": ("archived_means", _MEANS),
    "archived=true for channel accounts": ("archived_means", _MEANS),
    "total of the other lists": (
        "total_wrong",
        {True: "another number", False: "the number of rows"},
    ),
    "paging.prev in the other lists": ("prev", {True: "present", False: "missing"}),
    "archived=true for messages of an archived thread": (
        "messages_archived",
        {
            "required": "required",
            "optional": "optional",
            "forbidden": "must not be sent",
        },
    ),
    "messages of an unknown thread": (
        "unknown_thread",
        {"404": NOT_FOUND, "empty": EMPTY},
    ),
    "original content in an archived thread": (
        "original_of_archived",
        {True: SERVED, False: NOT_FOUND},
    ),
    "events among messages": (
        "events_listed",
        {True: "listed", False: "not listed"},
    ),
    "URL of an attachment": (
        "signed_urls",
        {
            True: "another in each response",
            False: "the same in each response",
        },
    ),
    "unknown actors": (
        "unknown_actors",
        {"errors_207": ERROR_207, "errors_200": ERROR_200, "missing": LACKING},
    ),
    "order of actors": (
        "actors_shuffled",
        {True: "another order", False: "as asked for"},
    ),
    "headers on the limit in 10 seconds": (
        "quota_headers",
        {True: "Max, Remaining, Interval", False: NONE},
    ),
    "createdAt of incoming mail": (
        "mail_dates_behind",
        {True: "in whole seconds", False: "with milliseconds"},
    ),
    "comments move latestMessageTimestamp": ("comments_count", _YES_NO),
    "ID of a message in several threads": (
        "shared_message_ids",
        {True: "seen", False: "not seen"},
    ),
}
"""The switch for a fact, and the reading at each of its values."""

CONSTANT = {
    "rows of small and of large pages of threads": "the same",
    "rows of small and of large pages of channels": "the same",
    "IDs of the other lists": "digits",
    "limit=501 for threads": REFUSED,
    "unknown parameter of threads": IGNORED,
    "sort by timestamp without a bound": REFUSED,
    "several inboxId in one request": REFUSED,
    "archived=true for threads": ONLY,
    "limit=100 for the other lists": ACCEPTED,
    "order of messages without sort": NEWEST,
    "order of messages with sort=createdAt": OLDEST,
    "truncationStatus of messages": (
        "NOT_TRUNCATED, TRUNCATED, TRUNCATED_TO_MOST_RECENT_REPLY"
    ),
    "original content of a truncated message": SERVED,
    "association=TICKET": "needed for tickets",
    "kinds of actors with a row": "A, B, E, I, L, S, V",
    "IDs of threads": "digits",
    "IDs of messages": (
        "32 hexadecimal digits, UUID, other letters, digits and . _ : -"
    ),
    "unknown fields of the other lists": NONE,
    "unknown fields of actors": NONE,
    "unknown types of inboxes": NONE,
    "unknown types of actors": NONE,
    "unknown kinds of actors": NONE,
}
"""The readings of facts that the fake has one answer for."""


def expected(contract: Contract, shape: Shape) -> dict[str, str]:
    """Return the reading of every fact for a fake with these switches."""
    switches = dataclasses.asdict(shape) | dataclasses.asdict(contract)
    known = {name: values[switches[s]] for name, (s, values) in SWITCHES.items()}
    computed = {name: of(contract, shape) for name, of in COMPUTED.items()}
    return CONSTANT | known | computed


def settings_of(readings: Mapping[str, str]) -> dict[str, Value]:
    """Return the switches of the fake that give such readings, by name.

    Where lists differ, as in how they end, the switch is that of the list of threads,
    which comes first. A reading that the fake has no switch for is left out.
    """
    found: dict[str, Value] = {}
    for name, (switch, values) in SWITCHES.items():
        for value, text in values.items():
            if text == readings.get(name):
                found.setdefault(switch, value)
    return found
