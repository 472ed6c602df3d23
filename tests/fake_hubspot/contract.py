"""How the endpoints answer where HubSpot's contract is unknown or disagrees.

What is known is not switchable: the server is strict about it. Each switch here stands
for a reading of something that is inferred, unknown or documented in two ways, or for a
behaviour that has been seen and may come back at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

Cursors = Literal["key", "offset"]
LastPage = Literal["missing", "null", "empty", "next_null", "next_empty", "echo"]
Date = Literal["right", "missing", "unreadable"]
Link = Literal["right", "other_path", "other_host", "missing"]
Window = Literal["fixed", "rolling"]
Archived = Literal["only", "also"]
ArchivedMessages = Literal["required", "optional", "forbidden"]
UnknownThread = Literal["404", "empty"]
UnknownActors = Literal["errors_207", "errors_200", "missing"]

VERSIONS = ("2026-09-beta", "2026-09", "v3")


@dataclass(kw_only=True)
class Contract:
    """One reading of the contract; may be changed between two requests."""

    seed: Annotated[
        int,
        "seed of everything below that is random",
    ] = 0
    versions: Annotated[
        tuple[str, ...],
        "versions that are served; it is unknown when the beta path goes away",
    ] = VERSIONS

    inclusive: Annotated[
        bool,
        "latestMessageTimestampAfter includes its own moment, as measured; one page "
        "of the reference says 'after'",
    ] = True
    cursor: Annotated[
        Cursors,
        "what a cursor holds: the place of the last row, or a number of rows",
    ] = "key"
    cursor_encoded: Annotated[
        bool,
        "cursors arrive percent-encoded, as has been seen",
    ] = False
    cursor_bound: Annotated[
        bool,
        "a cursor is refused with another query than the one that made it",
    ] = True
    last_page: Annotated[
        LastPage,
        "how a listing ends: paging is missing, null or {}, paging.next is null or "
        "{}, or (echo) an empty page follows whose cursor is the one just sent",
    ] = "missing"
    link: Annotated[
        Link,
        "where paging.next.link points, which nobody should follow",
    ] = "right"
    default_limit: Annotated[
        int,
        "rows of a page when no limit is sent; unknown",
    ] = 100

    empty_every: Annotated[
        int,
        "pages after which empty ones with a new cursor come; 0 for never",
    ] = 0
    empty_run: Annotated[
        int,
        "how many empty pages come in a row",
    ] = 1
    short_pages: Annotated[
        bool,
        "pages have a random number of rows, from one to the limit",
    ] = False
    swapped: Annotated[
        float,
        "share of neighbours that a page in timestamp order has the wrong way round",
    ] = 0.0
    newer_last: Annotated[
        float,
        "seconds by which the last row of every page in timestamp order is newer than "
        "its place: a message arrives as the page is served, and is not indexed; 0 for "
        "none",
    ] = 0.0
    ids_as_text: Annotated[
        bool,
        "id order compares ids as texts, so that 10 comes before 9; the reference does "
        "not say how they are compared",
    ] = False
    loop_at: Annotated[
        int,
        "page, from 2, of a listing that has rows and repeats an earlier cursor; 0 for "
        "none",
    ] = 0
    loop_times: Annotated[
        int,
        "how often that happens; 0 for always",
    ] = 0
    loop_length: Annotated[
        int,
        "pages that the repeated cursor goes back; 1 repeats the one just sent",
    ] = 1

    moves: Annotated[
        int,
        "threads that get a message whenever a page in timestamp order is served",
    ] = 0
    moves_by_id: Annotated[
        int,
        "the same for pages in id order",
    ] = 0
    moves_most: Annotated[
        int,
        "how many such messages in all, so that every listing ends",
    ] = 1000
    late_seconds: Annotated[
        float,
        "seconds of the account's clock until a late message becomes visible",
    ] = 0.0
    late_share: Annotated[
        float,
        "share of messages that are late",
    ] = 0.25

    nulls: Annotated[
        bool,
        "fields without a value are null instead of absent",
    ] = False
    bare_associations: Annotated[
        bool,
        "threadAssociations is {} instead of absent where there is no ticket",
    ] = False
    status_ignored: Annotated[
        bool,
        "threadStatus has no effect without associatedContactId, as a client reported",
    ] = False
    archived_by_timestamp: Annotated[
        bool,
        "archived=true may be sorted by timestamp; otherwise a 400",
    ] = False
    silent_last: Annotated[
        bool,
        "threads without a message come last in timestamp order instead of not at all",
    ] = False
    property_narrows: Annotated[
        bool,
        "property has an effect on the list; otherwise it is only accepted",
    ] = False
    gzip: Annotated[
        bool,
        "answers are compressed for clients that accept it",
    ] = False

    date: Annotated[
        Date,
        "the Date header, which is the account's clock in whole seconds; a proxy may "
        "drop or garble it",
    ] = "right"
    date_skew_seconds: Annotated[
        float,
        "seconds that the Date header is ahead, as where a proxy with a wrong clock "
        "sets it",
    ] = 0.0

    missing: Annotated[
        tuple[str, ...],
        "endpoints that are a 404: inboxes, channels, channel-accounts, actors, "
        "messages, original-content",
    ] = ()
    forbidden: Annotated[
        tuple[str, ...],
        "endpoints, by the same names, that are a 403: the token lacks their scope",
    ] = ()
    sibling_limit_default: Annotated[
        int,
        "rows of a page of inboxes, channels or channel accounts when no limit is "
        "sent; unknown",
    ] = 100
    sibling_limit_max: Annotated[
        int,
        "greatest limit of these three lists; unknown, and 100 is known to work",
    ] = 100
    sibling_strict: Annotated[
        bool,
        "the sibling endpoints refuse unknown parameters; otherwise they ignore them, "
        "as measured for threads",
    ] = True
    archived_means: Annotated[
        Archived,
        "archived=true lists only the archived inboxes and channel accounts, or the "
        "live ones and also the archived ones; documented in both ways",
    ] = "only"
    total_wrong: Annotated[
        bool,
        "total is one more than there are rows, as in HubSpot's own sample",
    ] = False
    prev: Annotated[
        bool,
        "the three lists have paging.prev after the first page, so the last page has "
        "paging, too",
    ] = False
    messages_limit_default: Annotated[
        int,
        "rows of a page of messages when no limit is sent; unknown",
    ] = 100
    messages_limit_max: Annotated[
        int,
        "greatest limit of messages; unknown, and 100 is known to work",
    ] = 100
    messages_archived: Annotated[
        ArchivedMessages,
        "archived=true must, may or must not be sent for the messages of an archived "
        "thread; unknown",
    ] = "required"
    unknown_thread: Annotated[
        UnknownThread,
        "the messages of a thread that does not exist are a 404 or an empty list",
    ] = "404"
    original_of_archived: Annotated[
        bool,
        "messages of archived threads have their original content, too; otherwise a "
        "404",
    ] = False
    events_listed: Annotated[
        bool,
        "messages have rows of every type, as measured; otherwise only MESSAGE and "
        "COMMENT, as one client's design says",
    ] = True
    signed_urls: Annotated[
        bool,
        "the URL of an attachment differs in every answer, as measured; "
        "otherwise rows are equal to the account's",
    ] = False
    actors_max: Annotated[
        int,
        "most inputs of one request for actors; unknown, 100 for other objects",
    ] = 100
    unknown_actors: Annotated[
        UnknownActors,
        "unknown actors are errors in a 207, errors in a 200, or silently missing",
    ] = "errors_207"
    actors_shuffled: Annotated[
        bool,
        "actors come in another order than that of the inputs",
    ] = False

    delay: Annotated[
        float,
        "seconds that each request takes",
    ] = 0.0
    quota: Annotated[
        int,
        "requests allowed in a window; 0 for no limit",
    ] = 0
    quota_window_seconds: Annotated[
        float,
        "length of that window",
    ] = 10.0
    quota_window: Annotated[
        Window,
        "a window that begins anew when it is over, or one that rolls",
    ] = "fixed"
    quota_per_second: Annotated[
        int,
        "requests allowed in a second; 0 for no limit",
    ] = 0
    daily_limit: Annotated[
        int,
        "requests allowed in a day, which the account's apps share; 0 for no limit and "
        "no headers about it",
    ] = 1_000_000
    daily_used: Annotated[
        int,
        "requests that other apps have already sent on that day",
    ] = 0
    quota_headers: Annotated[
        bool,
        "answers carry the X-HubSpot-RateLimit headers",
    ] = True

    @classmethod
    def awkward(cls, **changes: Any) -> Contract:
        """Every awkward switch at which a complete listing is still possible.

        `changes` are applied on top. Left out are what can hide a thread from a run
        (late visibility and, while threads move, offset cursors or threads without a
        message at the end), what ends a run (loops), moves in `id` order, which a
        listing that has passed cannot see, and `bare_associations`, because rows are
        then not equal to the account's. Moves change the account: compare afterwards.
        """
        switches: dict[str, Any] = {
            "inclusive": False,
            "cursor_encoded": True,
            "last_page": "echo",
            "link": "other_host",
            "empty_every": 4,
            "empty_run": 3,
            "short_pages": True,
            "swapped": 0.1,
            "moves": 1,
            "nulls": True,
            "status_ignored": True,
            "gzip": True,
            "sibling_limit_default": 3,
            "archived_means": "also",
            "total_wrong": True,
            "messages_limit_default": 3,
            "unknown_thread": "empty",
            "signed_urls": True,
            "prev": True,
            "unknown_actors": "missing",
            "actors_shuffled": True,
        }
        return cls(**switches | changes)
