"""Actors, whose rows are derived from their ids.

So a million visitors cost nothing until somebody asks for them. Every name and e-mail
address that is invented here contains "canary" in upper or lower case, so that a test
can search logs for it; that of an ``E-`` actor is part of its id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .entry import Row

_TYPES = {
    "A": "AGENT",
    "B": "BOT",
    "E": "EMAIL",
    "I": "INTEGRATOR",
    "L": "LLM",
    "S": "SYSTEM",
    "V": "VISITOR",
}
_OPTIONAL = {
    "AGENT": ("name", "email", "avatar"),
    "VISITOR": ("name", "email", "avatar"),
    "BOT": ("name", "avatar"),
    "LLM": ("name", "avatar"),
    "INTEGRATOR": ("avatar",),
}
_SURNAMES = ("Miller", "Jones", "Rossi", "Novak")
_SURNAMES_UNICODE = (
    "Müller",
    "Łukasz 🏃🏽\u200d♀️",
    "Ñandú \u2028 de la O'",
    "山田 «太郎»",
)
_DIGITS = 20
_PERIOD = 5
"""Of as many people, one has neither name nor e-mail address, and two no avatar."""


def actor_of(actor_id: str, *, unicode: bool) -> Row | None:
    """Make the row that belongs to an id, or None where no actor can have it."""
    prefix, _, rest = actor_id.partition("-")
    kind = _TYPES.get(prefix)
    if kind is None or not rest:
        return None
    row: Row = {"id": actor_id, "type": kind}
    if kind == "EMAIL":
        return row | {"email": rest}
    if kind == "SYSTEM":
        return row if rest == "hubspot" else None
    if not (rest.isascii() and rest.isdigit() and len(rest) <= _DIGITS):
        return None
    number = int(rest)
    is_person = kind in {"AGENT", "VISITOR"}
    if not is_person or number % _PERIOD:
        surnames = _SURNAMES_UNICODE if unicode else _SURNAMES
        row["name"] = f"Canary {surnames[number % len(surnames)]} {number}"
        if is_person:
            row["email"] = f"canary.{prefix.lower()}{number}@books.example"
    if number % _PERIOD < 3:
        row["avatar"] = f"https://avatars.example/canary/{actor_id}.png"
    return row


def optional_fields(kind: str) -> tuple[str, ...]:
    """Give the fields that an actor of a type may lack."""
    return _OPTIONAL.get(kind, ())


def takes_name(actor_id: str) -> bool:
    """Whether actors of the type of this one have names."""
    return actor_id.partition("-")[0] in {"A", "B", "I", "L", "V"}
