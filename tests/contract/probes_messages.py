"""The messages of threads."""

from __future__ import annotations

import typing as t
from collections import Counter

from tap_hubspot_threads import timestamps
from tests.contract.probes_parameters import ACCEPTED, answered, consistent
from tests.contract.readings import VALUE, CannotTell, fact, names, seen
from tests.contract.survey import LATEST, NO_THREAD

if t.TYPE_CHECKING:
    from tests.contract.listings import Listing, Row
    from tests.contract.readings import Seen
    from tests.contract.survey import History, Survey

NOT_FOUND, EMPTY = "404", "an empty list"
OLDEST, NEWEST = "oldest first", "newest first"
SERVED = "served"

_MINUTE = 60_000
_SAID = {"MESSAGE", "COMMENT"}


@fact("messages of an unknown thread", right=(NOT_FOUND, EMPTY))
def unknown_thread(survey: Survey) -> Seen:
    """Unknown; the tap takes both for a thread that is gone."""
    if any(row.get("id") == NO_THREAD for row in survey.by_id.rows):
        msg = "the thread that was asked for exists"
        raise CannotTell(msg)
    listing = survey.messages(NO_THREAD)
    found = str(listing.refused) if listing.refused else EMPTY
    return seen("rows" if listing.rows else found, 1, "request")


@fact(
    "archived=true for messages of an archived thread",
    right=("required", "optional", "must not be sent"),
)
def messages_archived(survey: Survey) -> Seen:
    """Unknown; the tap tries both ways."""
    for row in survey.trash.needed()[:4]:
        thread = str(row.get("id"))
        with_it = survey.messages(thread, most=8, want=1, archived="true")
        without = survey.messages(thread, most=8, want=1)
        ways = (_is_found(with_it), _is_found(without))
        if any(ways):
            kinds = {
                (True, False): "required",
                (True, True): "optional",
                (False, True): "must not be sent",
            }
            return seen(kinds[ways], 1, "thread")
    msg = "no archived thread has messages"
    raise CannotTell(msg)


def _is_found(listing: Listing) -> bool:
    if listing.refused not in {0, 404}:
        msg = f"the list is refused with {listing.refused}"
        raise CannotTell(msg)
    return bool(listing.rows)


@fact("order of messages without sort", right=(OLDEST, NEWEST))
def default_order(survey: Survey) -> Seen:
    """Documented and measured as newest first; the tap asks for the other order."""
    for history in sorted(survey.histories, key=_variety, reverse=True)[:1]:
        thread = str(history.thread["id"])
        rows = survey.messages(thread, most=8, want=3).rows
        return seen(_order([rows]), len(rows), "row")
    msg = "there are no messages"
    raise CannotTell(msg)


@fact("order of messages with sort=createdAt", right=(OLDEST,))
def ascending_order(survey: Survey) -> Seen:
    """The order in which the tap reads messages."""
    lists = [history.rows for history in survey.histories]
    return seen(_order(lists), sum(map(len, lists)), "row")


def _variety(history: History) -> int:
    moments = [timestamps.of(row, "createdAt") for row in history.rows]
    return len(set(moments)) if history.listing.is_complete else 0


def _order(lists: list[list[Row]]) -> str:
    moments = [[timestamps.of(r, "createdAt") or "" for r in rows] for rows in lists]
    if all(len(set(each)) < 2 for each in moments):
        msg = "no thread has messages from different moments"
        raise CannotTell(msg)
    if all(each == sorted(each) for each in moments):
        return OLDEST
    if all(each == sorted(each, reverse=True) for each in moments):
        return NEWEST
    return "in no order"


@fact(
    "limit=100 for messages",
    right=("100 rows", "fewer rows although more follow", ACCEPTED),
)
def most_messages(survey: Survey) -> Seen:
    """Works everywhere, as measured; no maximum is documented."""
    listings = [history.listing for history in survey.histories]
    pages = [page for listing in listings for page in listing.pages]
    refused = {listing.refused for listing in listings} - {0, 404}
    if refused:
        return seen([f"refused with {s}" for s in sorted(refused)], 1, "request")
    middle = [page for listing in listings for page in listing.middle if page.rows]
    if any(len(page.rows) < page.limit for page in middle):
        return seen("fewer rows although more follow", len(middle), "page")
    if any(len(page.rows) == page.limit for page in pages):
        return seen("100 rows", len(pages), "page")
    return seen(consistent([ACCEPTED] * len(pages), "no thread"), len(pages), "page")


@fact("events among messages", right=("listed", "not listed"))
def events(survey: Survey) -> Seen:
    """Assignments, changes of status and the like, which one design leaves out."""
    rows = survey.message_rows
    others = {row.get("type") for row in rows} - _SAID
    if len(rows) < 20 and not others:
        msg = "there are too few messages"
        raise CannotTell(msg)
    return seen("listed" if others else "not listed", len(rows), "row")


@fact("comments move latestMessageTimestamp", right=("yes", "no"))
def comments_count(survey: Survey) -> Seen:
    """Unknown. Only a thread whose newest comment follows its newest message tells."""
    found = [says for each in survey.histories if (says := _says(each, survey.now))]
    lacking = "no comment seen is newer than all messages"
    return seen(consistent(found, lacking), len(found), "thread")


def _says(history: History, now: str) -> str | None:
    """Say what one thread tells about comments, if anything."""
    latest = timestamps.of(history.thread, LATEST)
    moments = {
        kind: max(
            (
                moment
                for row in history.rows
                if row.get("type") == kind
                for name in ("createdAt", "updatedAt")
                if (moment := timestamps.of(row, name))
            ),
            default="",
        )
        for kind in _SAID
    }
    comment, message = moments["COMMENT"], moments["MESSAGE"]
    if not (latest and comment and message and history.listing.is_complete):
        return None
    behind = timestamps.shift(comment, milliseconds=-_MINUTE)
    # The thread was read a moment before, when the comment may not have been there.
    if behind <= message or comment > timestamps.shift(now, milliseconds=-5 * _MINUTE):
        return None
    if latest <= behind:
        return "no"
    return "yes" if latest <= timestamps.shift(comment, milliseconds=_MINUTE) else None


@fact("truncationStatus of messages")
def truncation(survey: Survey) -> Seen:
    """17 % of the mails of one account were truncated."""
    rows = [row for row in survey.message_rows if row.get("type") == "MESSAGE"]
    statuses = [row["truncationStatus"] for row in rows if "truncationStatus" in row]
    if not statuses:
        msg = "no message has one"
        raise CannotTell(msg)
    return seen(names(statuses, VALUE), len(statuses), "message")


@fact("original content of a truncated message", right=(SERVED, NOT_FOUND))
def original(survey: Survey) -> Seen:
    """Whether it is served, which `include_original_content` asks for."""
    for history in survey.histories:
        for row in filter(_is_truncated, history.rows):
            thread = str(history.thread["id"])
            return _original(survey, thread, row)
    msg = "no message seen is truncated"
    raise CannotTell(msg)


@fact("original content in an archived thread", right=(SERVED, NOT_FOUND))
def original_of_archived(survey: Survey) -> Seen:
    """The request has no parameter `archived`, so probably not."""
    for thread in [str(row.get("id")) for row in survey.trash.needed()[:12]]:
        rows = survey.messages(thread, most=2, archived="true").rows
        rows = rows or survey.messages(thread, most=2).rows
        for row in filter(_is_truncated, rows):
            return _original(survey, thread, row)
    msg = "no message seen in an archived thread is truncated"
    raise CannotTell(msg)


def _is_truncated(row: Row) -> bool:
    return row.get("truncationStatus") not in (None, "NOT_TRUNCATED")


def _original(survey: Survey, thread: str, row: Row) -> Seen:
    reply = survey.original(thread, str(row.get("id")))
    has_text = any(reply.body.get(name) for name in ("text", "richText"))
    served = SERVED if has_text else "without text"
    text = NOT_FOUND if reply.status == 404 else answered(reply.status, served)
    return seen(text, 1, "message")


@fact("URL of an attachment")
def attachment(survey: Survey) -> Seen:
    """Measured as signed anew in each response."""
    for history in survey.histories:
        if not (before := _urls(history.rows)):
            continue
        thread = str(history.thread["id"])
        after = _urls(survey.messages(thread, most=3, sort="createdAt").rows)
        if both := before.keys() & after.keys():
            same = all(before[key] == after[key] for key in both)
            how = "the same in each response" if same else "another in each response"
            return seen(how, len(both), "attachment")
    msg = "no message seen has a file"
    raise CannotTell(msg)


def _urls(rows: list[Row]) -> dict[str, str]:
    return {
        str(each.get("fileId")): each["url"]
        for row in rows
        for each in row.get("attachments") or ()
        if isinstance(each, dict) and isinstance(each.get("url"), str)
    }


@fact("ID of a message in several threads")
def shared_ids(survey: Survey) -> Seen:
    """Unknown, so the thread is part of the primary key."""
    counts = Counter(
        identity
        for history in survey.histories
        for identity in {row.get("id") for row in history.rows}
    )
    if not counts:
        msg = "there are no messages"
        raise CannotTell(msg)
    shared = any(number > 1 for number in counts.values())
    return seen("seen" if shared else "not seen", len(counts), "ID")


@fact("createdAt of incoming mail")
def mail_dates(survey: Survey) -> Seen:
    """Measured as the mail's own date, in whole seconds."""
    texts = [
        str(row["createdAt"])
        for row in survey.message_rows
        if row.get("direction") == "INCOMING"
        and row.get("channelId") == "1002"
        and timestamps.of(row, "createdAt")
    ]
    if len(texts) < 3:
        msg = "there is too little incoming mail"
        raise CannotTell(msg)
    whole = all(timestamps.normalize(text).endswith(".000Z") for text in texts)
    found = "in whole seconds" if whole else "with milliseconds"
    return seen(found, len(texts), "message")
