"""The parameters of a request, read as strictly as HubSpot is known to read them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import moments
from .parameters import (
    INT32,
    INT64,
    by_name,
    choice,
    integer,
    page_limit,
    refused,
    single,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .contract import Contract

MAX_LIMIT = 500

_SORTS = ("id", "latestMessageTimestamp")
_SCALARS = (
    "after",
    "archived",
    "associatedContactId",
    "associatedTicketId",
    "latestMessageTimestampAfter",
    "limit",
    "sort",
    "threadStatus",
)


@dataclass(frozen=True, slots=True)
class Query:
    """A request that is in order."""

    after: str | None
    limit: int
    archived: bool
    contact: str | None
    ticket: str | None
    inbox: str | None
    status: str | None
    tickets: bool
    by_message: bool
    descending: bool
    bound: int | None
    properties: tuple[str, ...]

    @property
    def signature(self) -> int:
        """What a cursor belongs to: everything but the page asked for."""
        return zlib.crc32(repr(replace(self, after=None, limit=0)).encode())


def read_query(params: Sequence[tuple[str, str]], contract: Contract) -> Query:
    """Read the parameters of a request, or refuse it; unknown ones are ignored."""
    values = by_name(params)
    one = single(values, _SCALARS)

    sort = choice(one, "sort", [*_SORTS, *(f"-{name}" for name in _SORTS)]) or "id"
    query = Query(
        after=one.get("after"),
        limit=page_limit(one, contract.default_limit, MAX_LIMIT),
        archived=choice(one, "archived", ["true", "false"]) == "true",
        contact=_integer(one, "associatedContactId"),
        ticket=_integer(one, "associatedTicketId"),
        inbox=_inbox(values.get("inboxId", [])),
        status=choice(one, "threadStatus", ["OPEN", "CLOSED"]),
        tickets=_associations(values.get("association", [])),
        by_message=sort.endswith("latestMessageTimestamp"),
        descending=sort.startswith("-"),
        bound=_date(one, "latestMessageTimestampAfter"),
        properties=tuple(values.get("property", ())),
    )
    _check_pairs(query, contract)
    return query if query.by_message else replace(query, bound=None)


def _check_pairs(query: Query, contract: Contract) -> None:
    """Refuse parameters that are good by themselves but not together."""
    if query.contact is not None and query.status is None:
        raise refused("threadStatus", "is required with associatedContactId")
    if query.contact is not None and query.inbox is not None:
        raise refused("inboxId", "excludes associatedContactId")
    if query.descending and query.contact is None:
        raise refused("sort", "must not descend without associatedContactId")
    if query.by_message and query.bound is None:
        raise refused("latestMessageTimestampAfter", "is required with this sort")
    if query.archived and query.by_message and not contract.archived_by_timestamp:
        raise refused("archived", "excludes the sort by latestMessageTimestamp")


def _inbox(given: list[str]) -> str | None:
    inboxes = [integer(value, "inboxId", INT32) for value in given]
    if len(inboxes) > 1:
        raise refused("inboxId", "must be given once")
    return inboxes[0] if inboxes else None


def _associations(given: list[str]) -> bool:
    if any(association != "TICKET" for association in given):
        raise refused("association", "must be one of: [TICKET]")
    return bool(given)


def _integer(one: dict[str, str], name: str) -> str | None:
    return integer(one[name], name, INT64) if name in one else None


def _date(one: dict[str, str], name: str) -> int | None:
    value = one.get(name)
    if value is None:
        return None
    try:
        return moments.parse(value)
    except ValueError:
        raise refused(name, "must be an RFC 3339 date-time") from None
