"""Writes the rows of a history as the API shows them."""

from __future__ import annotations

import hashlib
from random import Random
from typing import TYPE_CHECKING, Any

from .bodies import body_of, truncation
from .items import CHAT, EVENTS, MAIL
from .moments import MILLISECOND, SECOND, render_short
from .people import actor_of

if TYPE_CHECKING:
    from .entry import Row
    from .items import Item
    from .shape import Shape

FORMS = "1003"
OPTIONAL: dict[str, tuple[str, ...]] = {
    "MESSAGE": ("updatedAt", "richText", "subject", "inReplyToId", "status"),
    "COMMENT": ("updatedAt",),
    "WELCOME_MESSAGE": ("updatedAt", "richText"),
    "ASSIGNMENT": ("updatedAt", "assignedFrom", "assignedTo"),
    "THREAD_STATUS_CHANGE": ("updatedAt",),
    "THREAD_INBOX_CHANGE": ("updatedAt",),
}
"""The fields that a row of a type may lack."""

UNSIGNED = "signature=0"
"""The query of every attachment's URL."""

_APP = 11_604_520
_CHANNEL_IDS = ("1007", "2451873")
_SYSTEM = {"actorId": "S-hubspot"}
_NAMES = {
    "THREAD_STATUS_CHANGE": (None, "newStatus"),
    "ASSIGNMENT": ("assignedFrom", "assignedTo"),
    "THREAD_INBOX_CHANGE": ("fromInboxId", "toInboxId"),
}


class Writer:
    """Writes the items of one thread."""

    def __init__(self, thread: Row, shape: Shape, present: int) -> None:
        """Read what the rows of a thread have in common."""
        self._thread = thread
        self._shape = shape
        self._present = present
        self._id = str(thread["id"])
        self._number = int(thread["id"])
        self._channel = str(thread.get("originalChannelId") or MAIL)
        self._account = str(thread.get("originalChannelAccountId") or "148662")
        self._visitor = f"V-{thread.get('associatedContactId') or 51}"
        self._mailbox = f"canary.{self._account}@books.example"

    def row(self, item: Item) -> Row:
        """Write one item."""
        chance = Random(self._number << 24 | item.seq)
        row: Row = {
            "id": self.message_id(item),
            "type": item.kind,
            "conversationsThreadId": self._id,
            "createdAt": item.text or self._shape.text(item.us, item.seq),
        }
        if item.kind == "MESSAGE":
            row |= self._message(item, chance)
        elif item.kind == "COMMENT":
            row |= self._comment(item, chance)
        elif item.kind == "WELCOME_MESSAGE":
            row |= self._welcome()
        else:
            row |= self._event(item)
        row["archived"] = False
        if item.fields:
            row |= item.fields
            row = {name: value for name, value in row.items() if value is not None}
        return row

    def message_id(self, item: Item) -> str:
        """Make an id of one of three shapes."""
        if item.fields and item.fields.get("id"):
            return str(item.fields["id"])
        if self._shape.shared_message_ids and item.seq == 0:
            return hashlib.md5(b"%d" % (self._number // 74)).hexdigest()
        digest = hashlib.md5(b"%d:%d" % (self._number, item.seq)).hexdigest()
        channel = self._channel_of(item)
        if item.kind == "MESSAGE":
            if channel in _CHANNEL_IDS or digest[0] == "0":
                return f"wamid.{digest[:20]}:{item.seq}_-{digest[20:]}"
            if item.sent or channel != MAIL:
                return digest
        parts = digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]
        return "-".join(parts)

    def _channel_of(self, item: Item) -> str:
        return self._channel if item.created is None else MAIL

    def _message(self, item: Item, chance: Random) -> Row:
        channel = self._channel_of(item)
        is_mail = channel == MAIL
        row = self._times(item, chance, is_mail=is_mail)
        is_form = channel == FORMS and not item.sent
        body = body_of(chance, self._number, form=is_form)
        actor = self._agent(chance) if item.sent else self._visitor
        by_app = item.sent and chance.random() < 0.05
        row |= {
            "createdBy": f"I-{_APP}" if by_app else actor,
            "client": _client(by_app=by_app),
            "senders": self._senders(item, chance, actor, is_mail=is_mail),
            "recipients": self._recipients(item, chance, is_mail=is_mail),
            "text": body.text,
        }
        if body.rich is not None:
            row["richText"] = body.rich
        row |= {
            "attachments": self._attachments(item, chance),
            "direction": "OUTGOING" if item.sent else "INCOMING",
            "channelId": channel,
            "channelAccountId": self._account,
            "truncationStatus": truncation(chance, self._shape.truncated),
        }
        if is_mail:
            row["subject"] = f"Re: Canary order {self._number} «ü»"
            if chance.random() < 0.3:
                row["inReplyToId"] = f"<canary.{item.seq}@books.example>"
        if item.sent or chance.random() < 0.8:
            row["status"] = status_of("SENT" if item.sent else "RECEIVED")
        return row

    def _times(self, item: Item, chance: Random, *, is_mail: bool) -> Row:
        """Give updatedAt and, for mails that are dated behind, createdAt."""
        shape, us = self._shape, item.us
        if not is_mail:
            return {"updatedAt": item.text or shape.text(us, item.seq)}
        if item.sent:
            return {"updatedAt": shape.text(self._later(us, 100), item.seq)}
        delay = 3_700 + int(chance.random() * 2_400)
        if item.created is None and not shape.mail_dates_behind:
            return {"updatedAt": shape.text(self._later(us, delay), item.seq)}
        created = self.created(item)
        return {
            "createdAt": render_short(created),
            "updatedAt": item.text or shape.text(us, item.seq),
        }

    def created(self, item: Item) -> int:
        """Give the moment of an item's createdAt."""
        if item.created is not None:
            return item.created - item.created % SECOND
        is_mail = self._channel == MAIL and item.kind == "MESSAGE" and not item.sent
        if not (is_mail and self._shape.mail_dates_behind):
            return item.us
        behind = item.us - (3_700 + item.seq * 997 % 2_400) * MILLISECOND
        return behind - behind % SECOND

    def _later(self, us: int, milliseconds: int) -> int:
        return max(us, min(us + milliseconds * MILLISECOND, self._present))

    def _agent(self, chance: Random) -> str:
        assigned = self._thread.get("assignedTo")
        if isinstance(assigned, str) and not assigned.startswith(("E-", "V-")):
            return assigned
        return f"A-{2_620_022 + 17 * int(chance.random() * 26)}"

    def _senders(
        self, item: Item, chance: Random, actor: str, *, is_mail: bool
    ) -> list[Row]:
        sender: Row = {"actorId": actor}
        name = (actor_of(actor, unicode=self._shape.unicode) or {}).get("name")
        if name:
            sender["name"] = f"{name} (Canary office)" if item.sent else name
        if not is_mail:
            return [sender]
        sender["senderField"] = "FROM"
        value = self._mailbox if item.sent else self._address
        sender["deliveryIdentifier"] = _address(value)
        if item.sent or chance.random() >= 0.05:
            return [sender]
        relay = {
            "senderField": "FROM",
            "name": "Canary relay",
            "deliveryIdentifier": _address("canary.relay@books.example"),
        }
        return [sender | {"senderField": "ORIGINAL_FROM"}, relay]

    def _recipients(self, item: Item, chance: Random, *, is_mail: bool) -> list[Row]:
        if is_mail:
            value = self._address if item.sent else self._mailbox
            found = [{"recipientField": "TO", "deliveryIdentifier": _address(value)}]
            if chance.random() < 0.2:
                copy = _address("canary.copy@books.example")
                found.append({"recipientField": "CC", "deliveryIdentifier": copy})
            return found
        if not item.sent:
            return []
        opaque = {
            "type": "CHANNEL_SPECIFIC_OPAQUE_ID",
            "value": f"canary-{self._number}",
        }
        return [{"actorId": self._visitor, "deliveryIdentifier": opaque}]

    @property
    def _address(self) -> str:
        return f"canary.v{self._visitor[2:]}@books.example"

    def _attachments(self, item: Item, chance: Random) -> list[Row]:
        if chance.random() >= 0.08:
            return []
        number = str(self._number * 1_000 + item.seq)
        return [
            {
                "type": "FILE",
                "fileId": number,
                "name": f"canary {number}.pdf",
                "fileUsageType": "OTHER",
                "url": f"https://files.example/canary/{number}?{UNSIGNED}",
            }
        ]

    def _comment(self, item: Item, chance: Random) -> Row:
        agent = self._agent(chance)
        body = body_of(chance, self._number)
        sender: Row = {"actorId": agent}
        name = (actor_of(agent, unicode=self._shape.unicode) or {}).get("name")
        if name:
            sender["name"] = name
        return {
            "updatedAt": item.text or self._shape.text(item.us, item.seq),
            "createdBy": agent,
            "client": {"clientType": "HUBSPOT"},
            "senders": [sender],
            "recipients": [],
            "text": body.text,
            "richText": body.rich or f"<p>{body.text}</p>",
            "attachments": self._attachments(item, chance),
        }

    def _welcome(self) -> Row:
        return {
            "createdBy": "S-hubspot",
            "client": {"clientType": "SYSTEM"},
            "senders": [_SYSTEM],
            "recipients": [],
            "text": "Canary bookshop: how can we help?",
            "richText": "<p>Canary bookshop: how can we help?</p>",
            "channelId": CHAT,
            "channelAccountId": self._account,
        }

    def _event(self, item: Item) -> Row:
        by = item.new if item.kind == "ASSIGNMENT" and item.new else "S-hubspot"
        row: Row = {
            "createdBy": by,
            "client": {"clientType": "SYSTEM"},
            "senders": [_SYSTEM],
            "recipients": [],
        }
        if item.kind not in EVENTS:
            return row | {"sentiment": {"score": -0.5, "of": "Canary"}}
        values = zip(_NAMES[item.kind], (item.old, item.new), strict=True)
        return row | {name: value for name, value in values if name and value}


def status_of(name: str) -> dict[str, Any]:
    """Give the status of a message, with the reason if it failed."""
    status: dict[str, Any] = {"statusType": name}
    if name == "FAILED":
        status["failureDetails"] = {
            "errorMessage": "The message to Canary could not be delivered.",
            "errorMessageTokens": {"address": ["canary@books.example"]},
        }
    return status


def _client(*, by_app: bool) -> Row:
    if by_app:
        return {"clientType": "INTEGRATION", "integrationAppId": _APP}
    return {"clientType": "HUBSPOT"}


def _address(value: str) -> Row:
    return {"type": "HS_EMAIL_ADDRESS", "value": value}
