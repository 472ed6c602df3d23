"""The items of a history: what is known of each row before it is written."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from .entry import latest_of, moment_or, written
from .moments import MILLISECOND
from .profiles import actors, inboxes

if TYPE_CHECKING:
    from .entry import Row
    from .shape import Shape

MOST = 800
"""The most items of a seeded history."""
EVENTS = {
    "THREAD_STATUS_CHANGE": "status",
    "ASSIGNMENT": "assignedTo",
    "THREAD_INBOX_CHANGE": "inboxId",
}
"""The types of rows without text, each with the field of the thread it is about."""
NEW_TYPE = "SENTIMENT_CHANGE"
"""A type that HubSpot has not invented yet."""
CHAT = "1000"
MAIL = "1002"

_LONG = 50
_WAYS = ("latestMessageReceivedTimestamp", "latestMessageSentTimestamp")


class Item(NamedTuple):
    """One row of a history before it is written."""

    us: int
    """The moment it happened, which for a mail can be after its createdAt."""
    kind: str
    seq: int = 0
    """Its number in the thread, which seeds its id and its text."""
    text: str | None = None
    """The moment as it is written in the thread's row."""
    sent: bool = False
    old: str | None = None
    new: str | None = None
    """The values before and after an event."""
    created: int | None = None
    """The createdAt of a mail that is older than its arrival."""
    fields: Row | None = None
    """Fields that replace generated ones."""


def seeded_items(row: Row, shape: Shape, present: int) -> list[Item]:
    """Make a history that leads to the row of a thread."""
    number = int(row["id"])
    chance = Random(f"history {number}")
    created = moment_or(row.get("createdAt"), 0)
    latest = latest_of(row)
    is_closed = row.get("status") == "CLOSED"
    end = max(present, created, latest or 0)
    if is_closed:
        end = moment_or(row.get("closedAt"), latest or created)
    items = [] if latest is None else _messages(row, latest)
    if row.get("assignedTo") is not None:
        since = next((item.us for item in items if item.sent), created)
        items.append(Item(min(since + 360 * MILLISECOND, end), "ASSIGNMENT"))
    if latest is not None:
        more = _extras(shape, chance, len(items) + is_closed)
        items += _drawn(row, chance, more, created, latest, end, shape)
        if chance.random() < shape.new_message_type:
            items.append(Item(latest, NEW_TYPE))
    items.sort(key=_moment)
    if is_closed:
        text = written(row, "closedAt")
        items.append(Item(end, "THREAD_STATUS_CHANGE", text=text))
        items.sort(key=_moment)
    items = _linked(items, row, shape, chance)
    return [item._replace(seq=seq) for seq, item in enumerate(items)]


def _moment(item: Item) -> int:
    return item.us


def _messages(row: Row, latest: int) -> list[Item]:
    """Give the last messages received and sent, or the one of them that there is."""
    text = written(row, "latestMessageTimestamp")
    last = _last(row, latest)
    sent = last[1] is not None and (last[0] is None or last[1] >= last[0])
    items = [Item(latest, "MESSAGE", text=text, sent=sent)]
    other = last[not sent]
    if other is not None and other <= latest:
        text = written(row, _WAYS[not sent])
        items.insert(0, Item(other, "MESSAGE", text=text, sent=not sent))
    return items


def _last(row: Row, latest: int) -> list[int | None]:
    """Give when the last messages were received and sent."""
    return [
        None if row.get(name) is None else moment_or(row[name], latest)
        for name in _WAYS
    ]


def _extras(shape: Shape, chance: Random, needed: int) -> int:
    """Draw the number of items beyond those that the row requires."""
    if chance.random() < shape.long_histories:
        return chance.randrange(_LONG, MOST + 1) - needed
    mean = shape.items - needed
    if mean <= 0:
        return 0
    return min(int(chance.expovariate(1 / (mean + 0.45))), MOST - needed)


def _drawn(
    row: Row,
    chance: Random,
    count: int,
    created: int,
    latest: int,
    end: int,
    shape: Shape,
) -> list[Item]:
    """Draw items of all types, spread over the life of the thread."""
    draw = chance.random
    last = [created - 1 if us is None else us for us in _last(row, latest)]
    items = []
    for place in range(count):
        what = draw()
        us = created + int((latest - created) * draw())
        us = max(created, us - us % MILLISECOND)
        if place == 0:
            us = created + 2 * MILLISECOND
            if row.get("originalChannelId") == CHAT:
                items.append(Item(min(created, latest), "WELCOME_MESSAGE"))
                continue
        us = min(us, latest)
        if what < 0.72:
            # The row has the moment of the last message in each direction.
            ways = [sent for sent in (False, True) if us <= last[sent]]
            items.append(Item(us, "MESSAGE", sent=chance.choice(ways or [False])))
        elif what < 0.86:
            if draw() < 0.4 and not shape.comments_count:
                us = latest + int((end - latest) * draw() ** 3)
                us -= us % MILLISECOND
            items.append(Item(us, "COMMENT"))
        else:
            kinds = ("ASSIGNMENT", "ASSIGNMENT", *EVENTS)
            items.append(Item(us, chance.choice(kinds)))
    return items


def _linked(items: list[Item], row: Row, shape: Shape, chance: Random) -> list[Item]:
    """Chain the values of events so that the last ones are those of the row."""
    choices = {
        "assignedTo": actors(shape),
        "inboxId": inboxes(shape),
        "status": ["CLOSED", "OPEN"],
    }
    values: dict[str, Any] = {field: row.get(field) for field in choices}
    if values["status"] not in choices["status"]:
        values["status"] = "OPEN"
    linked = []
    for item in reversed(items):
        field = EVENTS.get(item.kind)
        if field is not None:
            new = values[field]
            others = [each for each in choices[field] if each != new]
            values[field] = chance.choice(others) if others else None
            item = item._replace(old=values[field], new=new)  # noqa: PLW2901
        linked.append(item)
    linked.reverse()
    for place, item in enumerate(linked):
        if item.kind == "ASSIGNMENT":
            linked[place] = item._replace(old=None if item.new else item.old)
            break
    for place, item in enumerate(linked):
        if item.kind == "THREAD_STATUS_CHANGE":
            if item.new == "OPEN":
                # Nothing was closed before, so nothing can be opened.
                linked[place] = item._replace(kind="COMMENT", old=None, new=None)
            break
    return linked
