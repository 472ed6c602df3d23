"""What threads have in common: the parts of a row that are not numbers or moments.

An account has a few hundred kinds of threads, drawn from its shape once; each thread is
of one kind. So a row is made by filling in its numbers and moments, and a filter asks
each kind only once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from random import Random

    from .entry import Selection
    from .shape import Shape

_MOST = 1024
_CHANNELS = ("1000", "1000", "1002", "1002", "1003", "1001", "1007", "2451873")
_INBOXES = (481939, 519204, 77310042, 1204, 903113, 640021, 2147483647, 88)
_MOODS = ("calm", "in a hurry")
_MOODS_UNICODE = ("gelöst \u2028 ruhig 100 %", "急いで 🏃🏽\u200d♀️ «très vite»")


class Profile(NamedTuple):
    """One kind of thread."""

    fixed: str
    """The members of the row that are the same in every thread of this kind."""
    unassigned: str
    """The same without ``assignedTo``."""
    archived: bool
    inbox: str
    status: str
    closed: bool
    silent: bool
    whole_second: bool
    visitor: bool
    ticket: bool
    newest: str
    """The field that is as new as the last message, sent or received."""
    other: str | None
    """The other one of the two, where there is one."""

    def suits(self, selection: Selection) -> bool:
        """Whether threads of this kind can be in a selection."""
        return (
            self.archived is selection.archived
            and selection.inbox in (None, self.inbox)
            and selection.status in (None, self.status)
            and (selection.ticket is None or self.ticket)
        )


def inboxes(shape: Shape) -> list[str]:
    """Give the ids of the inboxes of an account."""
    ids = [*_INBOXES, *range(3_000_000, 3_000_000 + shape.inboxes)]
    return [str(inbox) for inbox in ids[: max(1, shape.inboxes)]]


def channel_accounts(shape: Shape) -> list[tuple[int, str, str]]:
    """Give id, channel and inbox of the accounts that threads point to."""
    return [
        (_account_id(box, number), channel, inbox)
        for box, inbox in enumerate(inboxes(shape))
        for number, channel in enumerate(_CHANNELS)
    ]


def actors(shape: Shape) -> list[str]:
    """Give the actors that threads are assigned to: mostly agents, and each other."""
    mail = "E-größe@bücher.example" if shape.unicode else "E-post@books.example"
    others = ["B-310422", mail, "I-1160452", "L-58021", "S-hubspot", "V-7718290455"]
    return [*(f"A-{2_620_022 + 17 * n}" for n in range(26)), *others]


def draw(shape: Shape, size: int, random: Random) -> list[Profile]:
    """Draw the kinds of threads of an account of some size."""
    mailboxes = inboxes(shape)
    team = actors(shape)
    return [
        _draw_one(shape, mailboxes, team, random)
        for _ in range(min(_MOST, max(1, size)))
    ]


def _draw_one(
    shape: Shape, mailboxes: list[str], team: list[str], random: Random
) -> Profile:
    chance = random.random
    box = int(chance() ** 2 * len(mailboxes))
    channel = random.randrange(len(_CHANNELS))
    status = "CLOSED" if chance() < shape.closed else "OPEN"
    if chance() < shape.new_status:
        status = "ВІДКЛАДЕНО_❄" if shape.unicode else "SNOOZED"
    fixed: dict[str, Any] = {
        "status": status,
        "originalChannelId": _CHANNELS[channel],
        "originalChannelAccountId": str(_account_id(box, channel)),
        "inboxId": mailboxes[box],
        "spam": chance() < shape.spam,
        "archived": chance() < shape.archived,
    }
    if chance() >= shape.unassigned:
        fixed["assignedTo"] = random.choice(team)
    if chance() < shape.new_field:
        moods = _MOODS_UNICODE if shape.unicode else _MOODS
        fixed["channelMood"] = {"label": random.choice(moods), "score": -0.5}
    fields = ["latestMessageSentTimestamp", "latestMessageReceivedTimestamp"]
    random.shuffle(fields)
    return Profile(
        fixed=_members(fixed),
        unassigned=_members(fixed, "assignedTo"),
        archived=fixed["archived"],
        inbox=mailboxes[box],
        status=status,
        closed=status == "CLOSED",
        silent=chance() < shape.silent,
        whole_second=chance() < shape.whole_seconds,
        visitor=chance() < shape.visitors,
        ticket=chance() < shape.tickets,
        newest=fields[0],
        other=fields[1] if chance() < 0.75 else None,
    )


def _account_id(box: int, channel: int) -> int:
    return 148_662 + 10 * box + channel


def _members(fixed: dict[str, Any], but: str = "") -> str:
    members = {name: value for name, value in fixed.items() if name != but}
    return msgspec.json.encode(members).decode()[1:-1]
