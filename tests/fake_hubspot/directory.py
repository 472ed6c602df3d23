"""What an account has beside threads: inboxes, channels, channel accounts, actors.

Every name, e-mail address and phone number that is invented here contains "canary" in
upper or lower case, so that a test can search logs for it. Names of HubSpot's own
channels are HubSpot's.
"""

from __future__ import annotations

import random
from itertools import count
from typing import TYPE_CHECKING, Any

from . import moments
from .people import actor_of, takes_name
from .profiles import actors, channel_accounts, inboxes

if TYPE_CHECKING:
    from threading import RLock

    from .clock import Clock
    from .entry import Row
    from .shape import Shape

_CHANNELS = {
    "1000": "LIVE_CHAT",
    "1001": "FB_MESSENGER",
    "1002": "EMAIL",
    "1003": "FORMS",
    "1004": "CUSTOMER_PORTAL_THREAD_VIEW",
    "1007": "WHATSAPP",
    "1009": "SMS",
    "917161": "SMS with Canary",
    "2451873": "Canary Messenger",
}
_PHONES = ("1007", "1009", "917161", "2451873")
_LARGE_ACCOUNT = 7_021_198_932
"""The id of an account of the first inbox, which does not fit into 32 bits."""
_NEW_INBOX = 5_000_000
_AGE = 400 * moments.DAY

_Table = dict[int, "Row"]


class Directory:
    """The rows of the four sibling endpoints; methods may be called while served."""

    def __init__(self, shape: Shape, clock: Clock, lock: RLock, since: int) -> None:
        """Make the rows of an account whose first thread is from `since`."""
        self._shape = shape
        self._clock = clock
        self._lock = lock
        self._since = since - _AGE
        self._channels: _Table = {
            int(number): {"id": number, "name": name}
            for number, name in _CHANNELS.items()
        }
        self._inboxes: _Table = {}
        self._accounts: _Table = {}
        for number, inbox in enumerate(inboxes(shape)):
            self._put_inbox(number, inbox)
        for account, channel, inbox in channel_accounts(shape):
            if random.Random(f"lost {account}").random() >= shape.lost_accounts:
                self._put_account(account, channel, inbox)
        self._put_account(_LARGE_ACCOUNT, "1002", inboxes(shape)[0])
        self._team = dict.fromkeys(actors(shape))
        self._changed: dict[str, Row | None] = {}
        """Actors that are not as their ids make them; None: unknown."""

    # The truth.

    def inbox_rows(self) -> list[Row]:
        """Give every inbox, live and archived, in the order of ids."""
        return self._rows(self._inboxes)

    def channel_rows(self) -> list[Row]:
        """Give every channel, in the order of ids."""
        return self._rows(self._channels)

    def channel_account_rows(self) -> list[Row]:
        """Give every channel account, live and archived, in the order of ids."""
        return self._rows(self._accounts)

    def rows(self, endpoint: str) -> list[Row]:
        """Give every row of a list endpoint, in the order of ids."""
        tables = {
            "inboxes": self._inboxes,
            "channels": self._channels,
            "channel-accounts": self._accounts,
        }
        return self._rows(tables[endpoint])

    def actor_row(self, actor_id: str) -> Row:
        """Give an actor, who need not be one of `actor_rows`; KeyError if unknown.

        Any ``V-`` and any ``E-`` actor is known until it is removed. Others are those
        that threads are assigned to and those that were added.
        """
        with self._lock:
            if actor_id in self._changed:
                row = self._changed[actor_id]
            elif actor_id in self._team or actor_id.startswith(("E-", "V-")):
                row = actor_of(actor_id, unicode=self._shape.unicode)
            else:
                row = None
            if row is None:
                raise KeyError(actor_id)
            return dict(row)

    def actor_rows(self) -> list[Row]:
        """Give the actors that threads are assigned to and those that were changed.

        Visitors who are known by their ids alone are not among them.
        """
        with self._lock:
            known = dict.fromkeys([*self._team, *self._changed])
            gone = {key for key, row in self._changed.items() if row is None}
            return [self.actor_row(key) for key in known if key not in gone]

    # What happens in an account. Fields have the API's names; None leaves one out.

    def add_inbox(self, name: str | None = None, **fields: Any) -> str:
        """Add an inbox and give its id."""
        with self._lock:
            number = int(fields.get("id", self._free_inbox()))
            row = self._new_inbox(number, self._clock.tick())
            if name is not None:
                row["name"] = name
            self._inboxes[number] = _present(row | fields)
            return str(number)

    def rename_inbox(self, inbox: str, name: str) -> None:
        """Rename an inbox, which moves its updatedAt."""
        self._update(self._inboxes, inbox, name=name, updatedAt=self._now())

    def archive_inbox(self, inbox: str) -> None:
        """Archive an inbox; its threads and accounts stay."""
        now = self._now()
        self._update(self._inboxes, inbox, archived=True, archivedAt=now, updatedAt=now)

    def delete_inbox(self, inbox: str) -> None:
        """Delete an inbox for good, without a trace."""
        self._delete(self._inboxes, inbox)

    def add_channel(self, channel: str, name: str) -> None:
        """Add a channel."""
        with self._lock:
            self._channels[int(channel)] = {"id": channel, "name": name}

    def add_channel_account(
        self, channel: str, inbox: str, name: str | None = None, **fields: Any
    ) -> str:
        """Add an account that connects a channel to an inbox, and give its id."""
        with self._lock:
            number = int(fields.get("id", max(self._accounts, default=0) + 1))
            row = self._new_account(number, channel, inbox, self._clock.tick())
            if name is not None:
                row["name"] = name
            self._accounts[number] = _present(row | fields)
            return str(number)

    def rename_channel_account(self, account: str, name: str) -> None:
        """Rename a channel account, which moves no timestamp."""
        self._update(self._accounts, account, name=name)

    def archive_channel_account(self, account: str) -> None:
        """Archive a channel account, which is then no longer active."""
        self._update(
            self._accounts,
            account,
            archived=True,
            active=False,
            archivedAt=self._now(),
        )

    def delete_channel_account(self, account: str) -> None:
        """Delete a channel account for good; threads may still point to it."""
        self._delete(self._accounts, account)

    def add_actor(self, actor_id: str, **fields: Any) -> None:
        """Make an actor known; `fields` are laid over what its id makes."""
        row = actor_of(actor_id, unicode=self._shape.unicode)
        if row is None:
            raise ValueError(f"no actor can have the id {actor_id!r}")
        with self._lock:
            self._changed[actor_id] = _present(row | fields)

    def rename_actor(self, actor_id: str, name: str | None) -> None:
        """Rename an actor, or take its name away."""
        if not takes_name(actor_id):
            raise ValueError(f"actors like {actor_id!r} have no name")
        with self._lock:
            self._changed[actor_id] = _present(
                self.actor_row(actor_id) | {"name": name}
            )

    def remove_actor(self, actor_id: str) -> None:
        """Make an actor unknown, as when an agent leaves; threads stay assigned."""
        with self._lock:
            self.actor_row(actor_id)
            self._changed[actor_id] = None

    def _free_inbox(self) -> int:
        return next(n for n in count(_NEW_INBOX) if n not in self._inboxes)

    def _rows(self, table: _Table) -> list[Row]:
        with self._lock:
            return [dict(table[number]) for number in sorted(table)]

    def _update(self, table: _Table, row_id: str, **fields: Any) -> None:
        with self._lock:
            table[int(row_id)] = table[int(row_id)] | fields

    def _delete(self, table: _Table, row_id: str) -> None:
        with self._lock:
            del table[int(row_id)]

    def _now(self) -> str:
        with self._lock:
            return self._text(self._clock.tick(), 0)

    def _text(self, us: int, choice: int) -> str:
        return self._shape.text(us, choice)

    def _put_inbox(self, number: int, inbox: str) -> None:
        created = self._since + number * moments.DAY + number * 7 * moments.MILLISECOND
        row = self._new_inbox(int(inbox), created, number)
        updated = created + (number * 31 + 1) * moments.SECOND
        row["updatedAt"] = self._text(updated, number + 1)
        row["type"] = "HELP_DESK" if number % 3 == 1 else "INBOX"
        self._inboxes[int(inbox)] = row

    def _new_inbox(self, number: int, created: int, choice: int = 0) -> Row:
        box = "Büro ☎ «Größe» \u2028" if self._shape.unicode else "office"
        moment = self._text(created, choice)
        return {
            "id": str(number),
            "name": f"Canary {box} {number}",
            "type": "INBOX",
            "createdAt": moment,
            "updatedAt": moment,
            "archived": False,
        }

    def _put_account(self, number: int, channel: str, inbox: str) -> None:
        created = self._since + number % 300 * moments.DAY + number % 997 * 1000
        row = self._new_account(number, channel, inbox, created, number)
        self._accounts[number] = row

    def _new_account(
        self, number: int, channel: str, inbox: str, created: int, choice: int = 0
    ) -> Row:
        word = "Kanal №🏃🏽\u200d♀️" if self._shape.unicode else "account"
        row: Row = {
            "id": str(number),
            "name": f"Canary {word} {number}",
            "channelId": channel,
            "inboxId": inbox,
            "active": True,
            "authorized": number % 11 != 0,
            "archived": False,
            "createdAt": self._text(created, choice),
        }
        if channel == "1002":
            value = f"canary.{number}@books.example"
            row["deliveryIdentifier"] = {"type": "HS_EMAIL_ADDRESS", "value": value}
        elif channel in _PHONES:
            value = f"+49-canary-{number}"
            row["deliveryIdentifier"] = {"type": "HS_PHONE_NUMBER", "value": value}
        return row


def _present(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}
