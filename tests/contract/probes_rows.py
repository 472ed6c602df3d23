"""The fields of threads, messages and the other rows."""

from __future__ import annotations

import re
import typing as t

from tap_hubspot_threads import schemas, timestamps
from tests.contract.probes_parameters import consistent
from tests.contract.readings import FIELD, VALUE, CannotTell, fact, names, seen

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.contract.listings import Row
    from tests.contract.readings import Seen
    from tests.contract.survey import Survey

FORMS = ("milliseconds", "no fraction", "finer than milliseconds", "another offset")
PRESENCE = ("absent", "null")
TYPES = frozenset(
    {
        "ASSIGNMENT",
        "COMMENT",
        "MESSAGE",
        "THREAD_INBOX_CHANGE",
        "THREAD_STATUS_CHANGE",
        "WELCOME_MESSAGE",
    }
)

_THREAD = (
    "assignedTo",
    "closedAt",
    "latestMessageTimestamp",
    "latestMessageSentTimestamp",
    "latestMessageReceivedTimestamp",
)
_MESSAGE = {
    "ASSIGNMENT": ("assignedFrom", "assignedTo"),
    "COMMENT": ("updatedAt",),
    "MESSAGE": ("updatedAt", "richText", "subject", "inReplyToId", "status"),
    "THREAD_INBOX_CHANGE": ("updatedAt",),
    "THREAD_STATUS_CHANGE": ("updatedAt",),
    "WELCOME_MESSAGE": ("updatedAt", "richText"),
}
_NAMES = ("archivedAt", "deliveryIdentifier")
_DIGITS = "digits"


# Date-times.


@fact("date-times of threads", right=FORMS)
def forms_of_threads(survey: Survey) -> Seen:
    """Their precision and offset. The tap writes all of them in the same form."""
    return _forms(survey.threads, schemas.THREAD)


@fact("date-times of messages", right=FORMS)
def forms_of_messages(survey: Survey) -> Seen:
    """The same for messages."""
    return _forms(survey.message_rows, schemas.MESSAGE)


def _forms(rows: list[Row], schema: dict[str, t.Any]) -> Seen:
    fields = [
        name
        for name, field in schema["properties"].items()
        if field.get("format") == "date-time"
    ]
    texts = [row[name] for row in rows for name in fields if row.get(name) is not None]
    found = {form for text in texts for form in _forms_of(text)}
    return seen(consistent(found, "there are no date-times"), len(texts), "value")


def _forms_of(text: object) -> Iterator[str]:
    try:
        timestamps.normalize(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        yield "unreadable"
        return
    fraction = re.search(r"\.(\d+)", str(text))
    if fraction is None:
        yield "no fraction"
    else:
        yield "finer than milliseconds" if len(fraction[1]) > 3 else "milliseconds"
    if not str(text).endswith(("Z", "+00:00")):
        yield "another offset"


# Fields without a value.


@fact("fields of threads without a value", right=PRESENCE)
def optional_of_threads(survey: Survey) -> Seen:
    """Documented as absent; null would mean the same."""
    return presence((row, _THREAD) for row in survey.threads)


@fact("fields of messages without a value", right=PRESENCE)
def optional_of_messages(survey: Survey) -> Seen:
    """Measured as absent."""
    rows = survey.message_rows
    return presence((row, _MESSAGE.get(str(row.get("type")), ())) for row in rows)


@fact("fields of inboxes and channel accounts without a value", right=PRESENCE)
def optional_of_names(survey: Survey) -> Seen:
    """The same for the other lists."""
    inboxes = [(row, _NAMES[:1]) for row in survey.names["inboxes"].rows]
    accounts = [(row, _NAMES) for row in survey.names["channel-accounts"].rows]
    return presence([*inboxes, *accounts])


def presence(rows: Iterable[tuple[Row, tuple[str, ...]]]) -> Seen:
    """Say whether optional fields are absent or null where they have no value."""
    states = [
        "absent" if name not in row else "null"
        for row, optional in rows
        for name in optional
        if row.get(name) is None
    ]
    return seen(consistent(states, "all fields have values"), len(states), "value")


# Associations.


@fact("association=TICKET", right=("needed for tickets", "not needed for tickets"))
def association(survey: Survey) -> Seen:
    """Without it, HubSpot leaves out threadAssociations."""
    rows = survey.without_tickets.needed()
    if any(_ticket(row) for row in rows):
        return seen("not needed for tickets", len(rows), "row")
    if not any(_ticket(row) for row in survey.by_id.needed()):
        msg = "no thread has a ticket"
        raise CannotTell(msg)
    return seen("needed for tickets", len(rows), "row")


@fact("threadAssociations without a ticket", right=("absent", "null", "{}"))
def bare_association(survey: Survey) -> Seen:
    """What stands for no ticket."""
    rows = [row for row in survey.by_id.rows if not _ticket(row)]
    found = {
        "absent"
        if "threadAssociations" not in row
        else "null"
        if row["threadAssociations"] is None
        else "{}"
        for row in rows
    }
    return seen(consistent(found, "every thread has a ticket"), len(rows), "row")


def _ticket(row: Row) -> object:
    associations = row.get("threadAssociations")
    return isinstance(associations, dict) and associations.get("associatedTicketId")


# What this version of the tap does not know.


@fact("unknown fields of threads")
def unknown_fields_of_threads(survey: Survey) -> Seen:
    """Left out with a warning."""
    return _unknown(survey.threads, schemas.THREAD)


@fact("unknown fields of messages")
def unknown_fields_of_messages(survey: Survey) -> Seen:
    """The same for messages."""
    return _unknown(survey.message_rows, schemas.MESSAGE)


@fact("unknown fields of the other lists")
def unknown_fields_of_names(survey: Survey) -> Seen:
    """The same for inboxes, channels and channel accounts."""
    kinds = {
        "inboxes": schemas.INBOX,
        "channels": schemas.CHANNEL,
        "channel-accounts": schemas.CHANNEL_ACCOUNT,
    }
    lists = {
        kind: survey.names[kind].rows + _archived(survey, kind).rows for kind in kinds
    }
    fields = {
        field
        for kind, rows in lists.items()
        for row in rows
        for field in row.keys() - kinds[kind]["properties"].keys()
    }
    return seen(names(fields, FIELD), sum(map(len, lists.values())), "row")


def _archived(survey: Survey, kind: str) -> t.Any:
    return survey.archived_names.get(kind, survey.names[kind])


def _unknown(rows: list[Row], schema: dict[str, t.Any]) -> Seen:
    if not rows:
        msg = "there are no rows"
        raise CannotTell(msg)
    fields = {field for row in rows for field in row.keys() - schema["properties"]}
    return seen(names(fields, FIELD), len(rows), "row")


@fact("unknown statuses of threads")
def unknown_statuses(survey: Survey) -> Seen:
    """Passed through."""
    rows = survey.by_id.needed()
    return _values(rows, {row.get("status") for row in rows} - {"OPEN", "CLOSED"})


@fact("unknown types of messages")
def unknown_types(survey: Survey) -> Seen:
    """Passed through."""
    rows = survey.message_rows
    return _values(rows, {row.get("type") for row in rows} - TYPES)


@fact("unknown types of inboxes")
def unknown_types_of_inboxes(survey: Survey) -> Seen:
    """Passed through."""
    rows = survey.names["inboxes"].needed()
    return _values(rows, {row.get("type") for row in rows} - {"INBOX", "HELP_DESK"})


def _values(rows: list[Row], values: set[object]) -> Seen:
    if not rows:
        msg = "there are no rows"
        raise CannotTell(msg)
    return seen(names(values, VALUE), len(rows), "row")


# IDs.


@fact("IDs of threads", right=(_DIGITS,))
def ids_of_threads(survey: Survey) -> Seen:
    """Strings of digits, as documented."""
    return _ids(survey.threads)


@fact("IDs of the other lists")
def ids_of_names(survey: Survey) -> Seen:
    """Strings of digits; those of channel accounts exceed 32 bits."""
    return _ids([row for each in survey.names.values() for row in each.rows])


@fact("IDs of messages")
def ids_of_messages(survey: Survey) -> Seen:
    """Three shapes have been seen, and others are accepted by public clients."""
    return _ids(survey.message_rows)


def _ids(rows: list[Row]) -> Seen:
    found = {_shape(row.get("id")) for row in rows}
    return seen(consistent(found, "there are no rows"), len(rows), "row")


def _shape(identity: object) -> str:
    if not isinstance(identity, str):
        return "not a string"
    shapes = {
        _DIGITS: r"\d+",
        "32 hexadecimal digits": r"[0-9a-f]{32}",
        "UUID": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "other letters, digits and . _ : -": r"[A-Za-z0-9._:-]+",
    }
    matches = (n for n, s in shapes.items() if re.fullmatch(s, identity, re.ASCII))
    return next(matches, "with other characters")
