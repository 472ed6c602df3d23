"""One page of a listing: the account's rows, answered as the contract says."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

import msgspec

from . import moments
from .entry import OPTIONAL_FIELDS, Selection, message_key, moment_of, number_of
from .paging import Page, Pager, is_empty, page_content, page_length, read_place

if TYPE_CHECKING:
    from collections.abc import Callable

    from .account import Account
    from .contract import Contract
    from .cursor import Cursor
    from .entry import Entry
    from .query import Query


class Listing:
    """Answers list requests; remembers only what a loop and its own chance need."""

    def __init__(self) -> None:
        """Begin without memory."""
        self._moves = 0
        self._pager = Pager()

    def page(
        self,
        account: Account,
        query: Query,
        contract: Contract,
        link: Callable[[str], str],
    ) -> Page:
        """Answer one request; `link` makes the URL for a cursor."""
        with account.lock:
            cursor = read_place(query, contract)
            if contract.moves or contract.moves_by_id:
                self._move(account, query, contract, cursor)
            places = _Places(account, query, contract)
            start = places.start(cursor)
            keys = places.take(start, page_length(query, contract, cursor))
            more = start + len(keys) < places.count or is_empty(contract, cursor.page)
            if contract.newer_last and query.by_message and keys:
                _make_newer(account, keys[-1], contract.newer_last)
            texts = places.texts(keys)
        _swap(texts, query, contract, cursor)
        texts = _transformed(texts, query, contract)

        position = cursor.position
        if keys:
            last = start + len(keys)
            position = last if cursor.kind == "offset" else keys[-1]
        following = self._pager.following(
            query, contract, cursor, position, more=more, rows=len(texts)
        )
        return Page(page_content(texts, following, contract, link), len(texts))

    def _move(
        self, account: Account, query: Query, contract: Contract, cursor: Cursor
    ) -> None:
        """Send messages in some threads, unless the listing is at its end."""
        moves = contract.moves if query.by_message else contract.moves_by_id
        places = _Places(account, query, contract)
        if places.start(cursor) >= places.count:
            return
        for _ in range(min(moves, contract.moves_most - self._moves)):
            chance = random.Random(f"{contract.seed}:{self._moves}")
            self._moves += 1
            if ids := account.order(Selection()):
                account.message(str(ids[chance.randrange(len(ids))]))


class _Places:
    """The places of a query's rows in their order, as the read side shows them."""

    def __init__(self, account: Account, query: Query, contract: Contract) -> None:
        self._account = account
        self._query = query
        self._contract = contract
        ignored = contract.status_ignored and query.contact is None
        self._selection = Selection(
            archived=query.archived,
            inbox=query.inbox,
            contact=query.contact,
            ticket=query.ticket,
            status=None if ignored else query.status,
            by_message=query.by_message,
            silent_last=contract.silent_last and query.by_message,
            as_text=contract.ids_as_text and not query.by_message,
        )
        self._stale: dict[int, Entry] = {}
        self._keys = account.order(self._selection)
        if contract.late_seconds:
            late = account.lagging(contract.late_seconds, contract.late_share)
            if late:
                self._keys = self._shown(late)
        self._first = 0
        if query.bound is not None:
            bound = message_key(query.bound if contract.inclusive else query.bound + 1)
            self._first = bisect_left(self._keys, bound)
        self.count = len(self._keys) - self._first

    def start(self, cursor: Cursor) -> int:
        """Give the number of rows before the page of a cursor."""
        if cursor.position < 0:
            return 0
        if cursor.kind == "offset":
            return min(cursor.position, self.count)
        if self._query.descending:
            return len(self._keys) - bisect_left(self._keys, cursor.position)
        return max(0, bisect_right(self._keys, cursor.position) - self._first)

    def take(self, start: int, length: int) -> list[int]:
        """Give some places in the order of the query."""
        if self._query.descending:
            end = len(self._keys) - start
            return self._keys[max(self._first, end - length) : end][::-1]
        start += self._first
        return self._keys[start : start + length]

    def texts(self, keys: list[int]) -> list[str]:
        """Give the rows at some places."""
        tickets = self._query.tickets
        if not self._stale:
            return self._account.texts(map(number_of, keys), tickets=tickets)
        texts: list[str] = []
        for number in map(number_of, keys):
            if number in self._stale:
                texts.append(self._stale[number].text(tickets=tickets))
            else:
                texts += self._account.texts([number], tickets=tickets)
        return texts

    def _shown(self, late: dict[int, Entry | None]) -> list[int]:
        keys = [key for key in self._keys if number_of(key) not in late]
        listed = {number_of(key) for key in self._keys}
        for number, before in late.items():
            if before is None or number not in listed:
                continue
            key = self._selection.key(before)
            if key is not None:
                self._stale[number] = before
                keys.append(key)
        keys.sort()
        return keys


def _make_newer(account: Account, key: int, seconds: float) -> None:
    """Send a message in the thread at a place, which stays its place."""
    at = moment_of(key) + int(seconds * moments.SECOND)
    at = min(at - at % moments.MILLISECOND, account.clock.us)
    entry = account.find(number_of(key))
    if entry is not None and entry.latest is not None and at > entry.latest:
        thread = str(number_of(key))
        account.message(thread, moments.to_datetime(at), indexed=False)


def _swap(texts: list[str], query: Query, contract: Contract, cursor: Cursor) -> None:
    if not (contract.swapped and query.by_message):
        return
    chance = random.Random(f"{contract.seed}:{cursor}").random
    for place in range(1, len(texts), 2):
        if chance() < contract.swapped:
            texts[place - 1], texts[place] = texts[place], texts[place - 1]


def _transformed(texts: list[str], query: Query, contract: Contract) -> list[str]:
    narrowed = contract.property_narrows and query.properties
    bare = contract.bare_associations and query.tickets
    if not (contract.nulls or bare or narrowed):
        return texts
    optional = OPTIONAL_FIELDS + ("threadAssociations",) * query.tickets
    absent: dict[str, Any] = dict.fromkeys(optional) if contract.nulls else {}
    if bare:
        absent["threadAssociations"] = {}
    rows = [absent | row for row in map(msgspec.json.decode, texts)]
    if narrowed:
        kept = {"id", *query.properties}
        rows = [{name: row[name] for name in row if name in kept} for row in rows]
    return [msgspec.json.encode(row).decode() for row in rows]
