"""The messages of a thread, and the original content of one."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from .errors import not_found
from .paging import Page, Pager, is_empty, page_content, page_length, read_place
from .parameters import INT64, by_name, choice, integer, page_limit, refused, single
from .rows import OPTIONAL, UNSIGNED
from .traffic import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .account import Account
    from .contract import Contract
    from .traffic import SeenRequest

_SCALARS = ("after", "archived", "limit", "sort")
_LARGEST = 1 << 128


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """A request for the messages of a thread that is in order."""

    thread: int
    after: str | None
    limit: int
    archived: bool
    descending: bool
    properties: tuple[str, ...]

    @property
    def signature(self) -> int:
        """What a cursor belongs to: everything but the page asked for."""
        return zlib.crc32(repr(replace(self, after=None, limit=0)).encode())


class Messages:
    """Answers requests for the messages of threads."""

    def __init__(self) -> None:
        """Begin without memory."""
        self._pager = Pager()
        self._signed = 0

    def page(
        self,
        account: Account,
        query: MessageQuery,
        contract: Contract,
        link: Callable[[str], str],
    ) -> Page:
        """Answer one request; `link` makes the URL for a cursor."""
        cursor = read_place(query, contract)
        keys, texts = _history(account, query, contract)
        if not contract.events_listed:
            rows = [place for place, text in enumerate(texts) if _is_said(text)]
            keys, texts = [keys[row] for row in rows], [texts[row] for row in rows]
        if query.descending:
            keys, texts = [_LARGEST - key for key in reversed(keys)], texts[::-1]
        start = 0
        if cursor.position >= 0:
            is_key = cursor.kind == "key"
            start = bisect_right(keys, cursor.position) if is_key else cursor.position
        end = min(len(keys), start + page_length(query, contract, cursor))
        taken = texts[start:end]
        position = cursor.position
        if taken:
            position = end if cursor.kind == "offset" else keys[end - 1]
        following = self._pager.following(
            query,
            contract,
            cursor,
            position,
            more=end < len(keys) or is_empty(contract, cursor.page),
            rows=len(taken),
        )
        taken = [_transformed(text, query, contract) for text in taken]
        if contract.signed_urls:
            self._signed += 1
            signed = f"signature={self._signed}"
            taken = [text.replace(UNSIGNED, signed) for text in taken]
        return Page(page_content(taken, following, contract, link), len(taken))


def read_message_query(seen: SeenRequest, contract: Contract) -> MessageQuery:
    """Read the parameters of a request, or refuse it."""
    values = by_name(seen.params)
    for name in values.keys() - {*_SCALARS, "property"}:
        if contract.sibling_strict:
            raise refused(name, "is not a parameter of this endpoint")
        del values[name]
    one = single(values, _SCALARS)
    sort = choice(one, "sort", ["createdAt", "-createdAt"]) or "-createdAt"
    return MessageQuery(
        thread=_thread(seen),
        after=one.get("after"),
        limit=page_limit(
            one, contract.messages_limit_default, contract.messages_limit_max
        ),
        archived=choice(one, "archived", ["true", "false"]) == "true",
        descending=sort.startswith("-"),
        properties=tuple(values.get("property", ())),
    )


def read_original(seen: SeenRequest, account: Account, contract: Contract) -> Answer:
    """Answer a request for the original content of a message."""
    if seen.params and contract.sibling_strict:
        raise refused(seen.params[0][0], "is not a parameter of this endpoint")
    thread = str(_thread(seen))
    try:
        if account.thread(thread)["archived"] and not contract.original_of_archived:
            raise not_found()
        content = account.original(thread, str(seen.message_id))
    except KeyError:
        raise not_found() from None
    return Answer(200, msgspec.json.encode(content), rows=1)


def _thread(seen: SeenRequest) -> int:
    return int(integer(str(seen.thread_id), "threadId", INT64))


def _history(
    account: Account, query: MessageQuery, contract: Contract
) -> tuple[list[int], list[str]]:
    """Give the places and the JSON of the rows that a query may list, ascending."""
    with account.lock:
        entry = account.present(query.thread)
        if entry is None:
            return _nothing(contract)
        if not entry.row["archived"]:
            return ([], []) if query.archived else account.history_texts(entry)
        if query.archived and contract.messages_archived == "forbidden":
            return _nothing(contract)
        if not query.archived and contract.messages_archived == "required":
            return _nothing(contract)
        return account.history_texts(entry)


def _nothing(contract: Contract) -> tuple[list[int], list[str]]:
    if contract.unknown_thread == "404":
        raise not_found()
    return [], []


def _is_said(text: str) -> bool:
    return msgspec.json.decode(text)["type"] in {"MESSAGE", "COMMENT"}


def _transformed(text: str, query: MessageQuery, contract: Contract) -> str:
    narrowed = contract.property_narrows and query.properties
    if not (contract.nulls or narrowed):
        return text
    row = msgspec.json.decode(text)
    if contract.nulls:
        row = dict.fromkeys(OPTIONAL.get(row["type"], ())) | row
    if narrowed:
        kept = {"id", *query.properties}
        row = {name: row[name] for name in row if name in kept}
    return msgspec.json.encode(row).decode()
