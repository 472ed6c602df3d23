"""The parameters of a request, read as strictly as HubSpot is known to read them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import moments
from .errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .contract import Contract
    from .errors import RefusalError

MAX_LIMIT = 500

_INT32 = 2**31
_INT64 = 2**63
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
    values: dict[str, list[str]] = {}
    for name, value in params:
        values.setdefault(name, []).append(value)
    for name in _SCALARS:
        if len(values.get(name, ())) > 1:
            raise _refused(name, "must be given once")
    one = {name: given[0] for name, given in values.items()}

    sort = _choice(one, "sort", [*_SORTS, *(f"-{name}" for name in _SORTS)]) or "id"
    query = Query(
        after=one.get("after"),
        limit=_limit(one, contract),
        archived=_choice(one, "archived", ["true", "false"]) == "true",
        contact=_integer(one, "associatedContactId", _INT64),
        ticket=_integer(one, "associatedTicketId", _INT64),
        inbox=_inbox(values.get("inboxId", [])),
        status=_choice(one, "threadStatus", ["OPEN", "CLOSED"]),
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
        raise _refused("threadStatus", "is required with associatedContactId")
    if query.contact is not None and query.inbox is not None:
        raise _refused("inboxId", "excludes associatedContactId")
    if query.descending and query.contact is None:
        raise _refused("sort", "must not descend without associatedContactId")
    if query.by_message and query.bound is None:
        raise _refused("latestMessageTimestampAfter", "is required with this sort")
    if query.archived and query.by_message and not contract.archived_by_timestamp:
        raise _refused("archived", "excludes the sort by latestMessageTimestamp")


def _inbox(given: list[str]) -> str | None:
    inboxes = [_int(value, "inboxId", _INT32) for value in given]
    if len(inboxes) > 1:
        raise _refused("inboxId", "must be given once")
    return inboxes[0] if inboxes else None


def _associations(given: list[str]) -> bool:
    if any(association != "TICKET" for association in given):
        raise _refused("association", "must be one of: [TICKET]")
    return bool(given)


def _refused(name: str, rule: str) -> RefusalError:
    return bad_request(f"{name} {rule}", parameter=name)


def _choice(one: dict[str, str], name: str, choices: Sequence[str]) -> str | None:
    value = one.get(name)
    if value is not None and value not in choices:
        raise _refused(name, f"must be one of: [{', '.join(choices)}]")
    return value


def _integer(one: dict[str, str], name: str, limit: int) -> str | None:
    return _int(one[name], name, limit) if name in one else None


def _int(value: str, name: str, limit: int) -> str:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and -limit <= int(value) < limit):
        raise _refused(name, f"must be an integer below {limit}")
    return str(int(value))


def _limit(one: dict[str, str], contract: Contract) -> int:
    limit = int(_integer(one, "limit", _INT32) or contract.default_limit)
    if not 1 <= limit <= MAX_LIMIT:
        raise _refused("limit", f"must be between 1 and {MAX_LIMIT}")
    return limit


def _date(one: dict[str, str], name: str) -> int | None:
    value = one.get(name)
    if value is None:
        return None
    try:
        return moments.parse(value)
    except ValueError:
        raise _refused(name, "must be an RFC 3339 date-time") from None
