"""Cursors, pages, and how listings end."""

from __future__ import annotations

import base64
import binascii
import re
import typing as t
from urllib.parse import urlsplit

from tests.contract.listings import MISSING, end_of
from tests.contract.probes_parameters import answered, consistent
from tests.contract.readings import CannotTell, fact, seen

if t.TYPE_CHECKING:
    from tests.contract.listings import Listing, SeenPage
    from tests.contract.readings import Seen
    from tests.contract.survey import Survey

ENDS = (
    "paging is missing",
    "paging is null",
    "paging is {}",
    "paging.next is null",
    "paging.next is {}",
    "paging has no next",
    "an empty page repeats the cursor",
)
_SMALLEST_HEX = 6
"""Fewer digits could be in a cursor by chance."""


@fact("cursor of threads")
def cursor(survey: Survey) -> Seen:
    """What a cursor holds, as far as it shows. The tap takes it as it is."""
    before: list[tuple[str, str, int]] = []
    rows, last = 0, ""
    for page in survey.small_pages.pages:
        if page.rows:
            rows, last = rows + len(page.rows), str(page.rows[-1].get("id"))
        if page.after and last:
            before.append((page.after, last, rows))
    if len({place[2] for place in before}) < 2:
        msg = "there are too few pages"
        raise CannotTell(msg)
    if all(_holds_id(after, last) for after, last, _ in before):
        kind = "holds the ID of the last row"
    elif all(_holds_number(after, rows) for after, _, rows in before):
        kind = "holds the number of rows before"
    elif all(any(text.isdecimal() for text in _forms(after)) for after, *_ in before):
        kind = "holds some other number"
    else:
        kind = "opaque"
    return seen(kind, len(before), "cursor")


def _forms(after: str) -> list[str]:
    """Return a cursor as it is, and decoded if it looks like Base64."""
    forms = [after]
    try:
        padded = after.rstrip("=") + "=" * (-len(after.rstrip("=")) % 4)
        forms.append(base64.urlsafe_b64decode(padded).decode("ascii").strip())
    except (binascii.Error, ValueError):
        pass
    return forms


def _holds_id(after: str, last: str) -> bool:
    written = {last}
    if last.isdecimal() and len(f"{int(last):x}") >= _SMALLEST_HEX:
        written.add(f"{int(last):x}")
    return any(text in form for form in _forms(after) for text in written)


def _holds_number(after: str, rows: int) -> bool:
    tokens = {token for form in _forms(after) for token in re.findall(r"\w+", form)}
    return bool(tokens & {str(rows), f"{rows:x}"})


@fact("cursor arrives percent-encoded", right=("yes", "no"))
def cursor_encoded(survey: Survey) -> Seen:
    """It has been seen; the tap decodes it once."""
    raw = [str(page.following["after"]) for page in _with_next(survey.small_pages)]
    found = ["yes" for text in raw if re.search("%[0-9A-Fa-f]{2}", text)]
    found += ["no" for text in raw if re.search("[^A-Za-z0-9._~%-]", text)]
    lacking = "no cursor has a character that would be encoded"
    return seen(consistent(found, lacking), len(raw), "cursor")


@fact("paging.next.link")
def link(survey: Survey) -> Seen:
    """Where the link leads, which the tap does not follow."""
    pages = _with_next(survey.small_pages)
    found = {_place(page) for page in pages}
    return seen(consistent(found, "there is one page"), len(pages), "page")


def _with_next(listing: Listing) -> list[SeenPage]:
    listing.needed()
    return [page for page in listing.pages if page.after is not None]


def _place(page: SeenPage) -> str:
    link = page.following.get("link", MISSING)
    if not isinstance(link, str):
        return "missing"
    parts = urlsplit(link)
    if parts.hostname not in {"127.0.0.1", "localhost", "::1", "api.hubapi.com"}:
        return "another host"
    return "the same path" if parts.path == page.reply.path else "another path"


@fact("cursor with other parameters")
def cursor_bound(survey: Survey) -> Seen:
    """Inferred to be refused; the tap never does it."""
    cursors = [page.after for page in _with_next(survey.small_pages)]
    if not cursors:
        msg = "there is one page"
        raise CannotTell(msg)
    parameters = {"sort": "id", "limit": "7", "threadStatus": "OPEN"}
    status = survey.ask("threads", after=str(cursors[0]), **parameters).status
    return seen(answered(status), 1, "request")


@fact("end of a list of threads", right=ENDS)
def end_of_threads(survey: Survey) -> Seen:
    """How the tap knows that there are no more threads."""
    return _ends([survey.by_id, survey.oldest, survey.newest, survey.trash])


@fact("end of a list of messages", right=ENDS)
def end_of_messages(survey: Survey) -> Seen:
    """The same for the messages of a thread."""
    return _ends([history.listing for history in survey.histories])


@fact("end of the other lists", right=ENDS)
def end_of_names(survey: Survey) -> Seen:
    """The same for inboxes, channels and channel accounts."""
    return _ends([*survey.names.values(), *survey.archived_names.values()])


def _ends(listings: list[Listing]) -> Seen:
    with_rows = [each for each in listings if each.rows]
    ended = [each for each in with_rows if each.is_complete or each.loops]
    found = map(end_of, ended)
    return seen(consistent(found, "no list was read to its end"), len(ended), "list")


@fact("pages in the middle of a list of threads")
def middle_pages(survey: Survey) -> Seen:
    """A short or an empty page is not the end."""
    listings = (survey.small_pages, survey.by_id, survey.oldest)
    pages = [page for listing in listings for page in listing.middle]
    found = {
        "empty" if not page.rows else "short" if len(page.rows) < page.limit else "full"
        for page in pages
    }
    return seen(consistent(found, "there is one page"), len(pages), "page")


@fact("rows of small and of large pages of threads", right=("the same",))
def same_threads(survey: Survey) -> Seen:
    """Following cursors neither skips nor repeats a row."""
    small, large = survey.small_pages, survey.by_id
    most = min(len(small.needed()), len(large.needed()))
    lists = [[row.get("id") for row in each.rows[:most]] for each in (small, large)]
    same = lists[0] == lists[1]
    if len(small.pages) < 2:
        msg = "there is one page"
        raise CannotTell(msg)
    return seen("the same" if same else "others", most, "row")


@fact("rows of small and of large pages of channels", right=("the same",))
def same_channels(survey: Survey) -> Seen:
    """The same for one of the other lists, which is read to its end."""
    small, large = survey.names_in_small_pages, survey.names["channels"]
    lists = [[row.get("id") for row in each.needed()] for each in (small, large)]
    if len(small.pages) < 2 or not (small.is_complete and large.is_complete):
        msg = "there is one page"
        raise CannotTell(msg)
    return seen("the same" if lists[0] == lists[1] else "others", len(lists[0]), "row")


@fact("limit=500 for threads", right=("500 rows", "fewer rows although more follow"))
def most_threads(survey: Survey) -> Seen:
    """The documented maximum, and the tap's default."""
    listings = (survey.by_id, survey.oldest)
    pages = [page for listing in listings for page in listing.pages]
    if survey.by_id.refused:
        return seen(f"refused with {survey.by_id.refused}", 1, "request")
    survey.by_id.needed()
    middle = [page for listing in listings for page in listing.middle if page.rows]
    if any(len(page.rows) < page.limit for page in middle):
        return seen("fewer rows although more follow", len(middle), "page")
    if any(len(page.rows) == page.limit for page in pages):
        return seen("500 rows", len(pages), "page")
    msg = "there are fewer than 500 threads"
    raise CannotTell(msg)


@fact("rows of a page of threads without limit")
def default_limit(survey: Survey) -> Seen:
    """Unknown; the tap always sends a limit."""
    if any(0 < len(p.rows) < p.limit for p in survey.small_pages.middle):
        msg = "pages are short"
        raise CannotTell(msg)
    listing = survey.read("threads", sort="id")
    listing.needed()
    page = listing.pages[0]
    if len(survey.by_id.rows) <= len(page.rows):
        msg = "there is one page"
        raise CannotTell(msg)
    return seen(f"{len(page.rows)} rows", 1, "page")
