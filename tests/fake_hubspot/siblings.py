"""The lists of inboxes, channels and channel accounts."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from . import moments
from .paging import Page, Pager, is_empty, page_content, page_length, read_place
from .parameters import INT32, by_name, choice, integer, page_limit, refused, single

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .contract import Contract
    from .directory import Directory
    from .entry import Row

_SCALARS = ("after", "archived", "limit", "defaultPageLength")
_ARRAYS = {"channel-accounts": ("channelId", "inboxId")}
_OPTIONAL = {
    "inboxes": ("archivedAt",),
    "channel-accounts": ("archivedAt", "deliveryIdentifier"),
}
_FIELDS = {
    "inboxes": ("id", "name", "type", "createdAt", "updatedAt", "archived"),
    "channels": ("id", "name"),
    "channel-accounts": (
        *("id", "name", "channelId", "inboxId", "active", "authorized", "archived"),
        "createdAt",
    ),
}
_MOMENTS = ("createdAt", "updatedAt", "archivedAt")
_IDS = ("id", "channelId", "inboxId")
_SORT_BITS = 512
_SORT_BYTES = _SORT_BITS // 8


@dataclass(frozen=True, slots=True)
class SiblingQuery:
    """A request for one of the lists that is in order."""

    endpoint: str
    after: str | None
    limit: int
    archived: bool
    channels: frozenset[str]
    inboxes: frozenset[str]
    sorts: tuple[str, ...]

    @property
    def signature(self) -> int:
        """What a cursor belongs to: everything but the page asked for."""
        same = replace(self, after=None, limit=0)
        parts = [sorted(self.channels), sorted(self.inboxes)]
        text = f"{same.endpoint} {same.archived} {parts} {same.sorts}"
        return zlib.crc32(text.encode())


class Siblings:
    """Answers requests for the three lists."""

    def __init__(self) -> None:
        """Begin without memory."""
        self._pagers: dict[str, Pager] = defaultdict(Pager)

    def page(
        self,
        directory: Directory,
        query: SiblingQuery,
        contract: Contract,
        link: Callable[[str], str],
    ) -> Page:
        """Answer one request; `link` makes the URL for a cursor."""
        cursor = read_place(query, contract)
        rows = {
            _place(row, query, contract): row
            for row in directory.rows(query.endpoint)
            if _is_selected(row, query, contract)
        }
        keys = sorted(rows)
        start = max(0, cursor.position)
        if cursor.kind == "key":
            start = bisect_right(keys, cursor.position)
        taken = keys[start : start + page_length(query, contract, cursor)]
        end = start + len(taken)
        position = cursor.position
        if taken:
            position = end if cursor.kind == "offset" else taken[-1]
        following = self._pagers[query.endpoint].following(
            query,
            contract,
            cursor,
            position,
            more=end < len(keys) or is_empty(contract, cursor.page),
            rows=len(taken),
        )
        content = page_content(
            [_text(rows[key], query, contract) for key in taken],
            following,
            contract,
            link,
            total=len(keys) + contract.total_wrong,
            before=query.after if contract.prev else None,
        )
        return Page(content, len(taken))


def read_sibling_query(
    endpoint: str, params: Sequence[tuple[str, str]], contract: Contract
) -> SiblingQuery:
    """Read the parameters of a request, or refuse it."""
    values = by_name(params)
    known = {*_SCALARS, "sort", *_ARRAYS.get(endpoint, ())}
    if endpoint == "channels":
        known.remove("archived")
    for name in values.keys() - known:
        if contract.sibling_strict:
            raise refused(name, "is not a parameter of this endpoint")
        del values[name]
    one = single(values, _SCALARS)
    if "defaultPageLength" in one:
        integer(one["defaultPageLength"], "defaultPageLength", INT32)
    sorts = tuple(values.get("sort", ()))
    fields = (*_FIELDS[endpoint], *_OPTIONAL.get(endpoint, ()))
    for sort in sorts:
        if sort.removeprefix("-") not in fields:
            raise refused("sort", f"must be one of: [{', '.join(fields)}]")
    return SiblingQuery(
        endpoint=endpoint,
        after=one.get("after"),
        limit=page_limit(
            one, contract.sibling_limit_default, contract.sibling_limit_max
        ),
        archived=choice(one, "archived", ["true", "false"]) == "true",
        channels=_ids(values, "channelId"),
        inboxes=_ids(values, "inboxId"),
        sorts=sorts,
    )


def _ids(values: dict[str, list[str]], name: str) -> frozenset[str]:
    return frozenset(integer(value, name, INT32) for value in values.get(name, ()))


def _is_selected(row: Row, query: SiblingQuery, contract: Contract) -> bool:
    archived = row.get("archived", False)
    also = query.archived and contract.archived_means == "also"
    return (
        (also or archived is query.archived)
        and (not query.channels or row["channelId"] in query.channels)
        and (not query.inboxes or row["inboxId"] in query.inboxes)
    )


def _place(row: Row, query: SiblingQuery, contract: Contract) -> int:
    """Pack the place of a row in the order of a query, where the id settles ties."""
    place = 0
    for sort in (*query.sorts, "id"):
        name = sort.removeprefix("-")
        as_text = name == "id" and contract.ids_as_text
        value = _sort_value("" if as_text else name, row.get(name))
        if sort.startswith("-"):
            value = (1 << _SORT_BITS) - 1 - value
        place = place << _SORT_BITS | value
    return place


def _sort_value(name: str, value: Any) -> int:
    if value is None:
        return 0
    if name in _IDS:
        return int(value)
    if name in _MOMENTS:
        return moments.parse(value)
    if isinstance(value, bool):
        return int(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return int.from_bytes(text.encode()[:_SORT_BYTES].ljust(_SORT_BYTES, b"\0"))


def _text(row: Row, query: SiblingQuery, contract: Contract) -> str:
    if contract.nulls:
        row = dict.fromkeys(_OPTIONAL.get(query.endpoint, ())) | row
    return msgspec.json.encode(row).decode()
