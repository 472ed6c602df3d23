"""Pages and cursors, which work alike in every list endpoint."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import quote

import msgspec

from .contract import VERSIONS
from .cursor import Cursor, read_cursor
from .errors import bad_request
from .paths import paths_like

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .contract import Contract

_ENDS: dict[str, bytes] = {
    "missing": b"}",
    "null": b',"paging":null}',
    "empty": b',"paging":{}}',
    "next_null": b',"paging":{"next":null}}',
    "next_empty": b',"paging":{"next":{}}}',
    "echo": b"}",
}


class Page(NamedTuple):
    """An answer to a list request."""

    content: bytes
    rows: int


class Paged(Protocol):
    """What a page needs to know of a query."""

    @property
    def after(self) -> str | None:
        """The cursor that was sent."""

    @property
    def limit(self) -> int:
        """The most rows of a page."""

    @property
    def signature(self) -> int:
        """What a cursor belongs to."""


class Pager:
    """Gives the cursors of one endpoint; remembers only what a loop needs."""

    def __init__(self) -> None:
        """Begin without memory."""
        self._loops = 0
        self._sent: dict[int, list[str]] = {}

    def following(
        self,
        query: Paged,
        contract: Contract,
        cursor: Cursor,
        position: int,
        *,
        more: bool,
        rows: int,
    ) -> str | None:
        """Give the cursor that a page of some rows ends with, or None at the end."""
        echo = contract.last_page == "echo"
        following: str | None = None
        if more or (echo and rows):
            following = Cursor(
                cursor.kind, query.signature, cursor.page + 1, position
            ).write(encoded=contract.cursor_encoded)
        elif echo and query.after is not None:
            following = cursor.write(encoded=contract.cursor_encoded)
        return self._loop(query, contract, cursor, following) if rows else following

    def _loop(
        self, query: Paged, contract: Contract, cursor: Cursor, following: str | None
    ) -> str | None:
        """Repeat an earlier cursor where the contract says so."""
        if not contract.loop_at:
            return following
        if query.after is None:
            self._sent.pop(query.signature, None)
            return following
        sent = self._sent.setdefault(query.signature, [])
        sent.append(cursor.write(encoded=contract.cursor_encoded))
        del sent[: -contract.loop_length]
        enough = contract.loop_times and self._loops >= contract.loop_times
        if cursor.page + 1 != contract.loop_at or enough:
            return following
        self._loops += 1
        return sent[0]


def read_place(query: Paged, contract: Contract) -> Cursor:
    """Give the place that a query goes on from."""
    if query.after is None:
        return Cursor(contract.cursor, query.signature, 0)
    cursor = read_cursor(query.after)
    if contract.cursor_bound and cursor.signature != query.signature:
        message = "the paging cursor belongs to another query"
        raise bad_request(message, parameter="after")
    return cursor


def is_empty(contract: Contract, page: int) -> bool:
    """Whether a page is empty although more rows follow."""
    if not contract.empty_every:
        return False
    return page % (contract.empty_every + contract.empty_run) >= contract.empty_every


def page_length(query: Paged, contract: Contract, cursor: Cursor) -> int:
    """Give the most rows of the page at a cursor."""
    if is_empty(contract, cursor.page):
        return 0
    if not contract.short_pages:
        return query.limit
    text = f"{contract.seed}:{query.signature}:{cursor.page}"
    return 1 + zlib.crc32(text.encode()) % query.limit


def page_content(
    texts: Iterable[str],
    following: str | None,
    contract: Contract,
    link: Callable[[str], str],
    *,
    total: int | None = None,
    before: str | None = None,
) -> bytes:
    """Write the body of a page; `before` is the cursor of ``paging.prev``, if any."""
    head = b"{" if total is None else f'{{"total":{total},'.encode()
    results = head + b'"results":[' + ",".join(texts).encode() + b"]"
    paging: dict[str, Any] = {}
    if following is not None:
        paging["next"] = {"after": following}
        if contract.link != "missing":
            paging["next"]["link"] = link(following)
    if before is not None:
        paging["prev"] = {"before": before}
    if not paging:
        return results + _ENDS[contract.last_page]
    return results + b',"paging":' + msgspec.json.encode(paging) + b"}"


def next_link(url: str, path: str, after: str, contract: Contract) -> str:
    """Give the URL that ``paging.next.link`` has for a cursor of the list at a path."""
    query = f"?after={quote(after, safe='')}"
    if contract.link == "other_path":
        others = [p for p in paths_like(path, VERSIONS) if p != path]
        return f"{url}{others[-1]}{query}"
    if contract.link == "other_host":
        return f"https://elsewhere.example{path}{query}"
    return f"{url}{path}{query}"
