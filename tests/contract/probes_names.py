"""Inboxes, channels, channel accounts and actors."""

from __future__ import annotations

import re
import typing as t

from tap_hubspot_threads import schemas
from tap_hubspot_threads.actors import TYPES
from tap_hubspot_threads.streams import endpoint_path
from tests.contract.probes_parameters import ACCEPTED, REFUSED, answered, consistent
from tests.contract.probes_rows import PRESENCE, presence
from tests.contract.readings import FIELD, VALUE, CannotTell, fact, names, seen
from tests.contract.survey import VERSION

if t.TYPE_CHECKING:
    from tests.contract.listings import Row
    from tests.contract.readings import Seen
    from tests.contract.survey import Survey

ONLY, ALSO = "only archived ones", "live ones, too"
ERROR_207, ERROR_200 = "an error in a 207", "an error in a 200"
LACKING = "missing without an error"
NOT_FOUND = "OBJECT_NOT_FOUND"

_KIND = re.compile("[A-Z]")
_BATCH = 100
_KNOWN = 80
_OPTIONAL = {
    "AGENT": ("name", "email", "avatar"),
    "BOT": ("name", "avatar"),
    "INTEGRATOR": ("avatar",),
    "LLM": ("name", "avatar"),
    "VISITOR": ("name", "email", "avatar"),
}


# Lists.


@fact("archived=true for inboxes", right=(ONLY, ALSO))
def archived_inboxes(survey: Survey) -> Seen:
    """Documented as only archived ones."""
    return _archived(survey, "inboxes")


@fact("archived=true for channel accounts", right=(ONLY, ALSO))
def archived_accounts(survey: Survey) -> Seen:
    """Documented in both ways, so the tap reads both lists."""
    return _archived(survey, "channel-accounts")


def _archived(survey: Survey, endpoint: str) -> Seen:
    live = survey.names[endpoint].needed()
    listing = survey.archived_names[endpoint]
    if listing.refused:
        msg = f"the list is refused with {listing.refused}"
        raise CannotTell(msg)
    shown = {row.get("id") for row in listing.rows if row.get("archived") is not True}
    found = ALSO if shown & {row.get("id") for row in live} else ONLY
    return seen(found, len(listing.rows) + len(live), "row")


@fact("archived=true for threads", right=(ONLY,))
def archived_threads(survey: Survey) -> Seen:
    """Documented as only archived ones."""
    if survey.trash.refused:
        return seen(f"refused with {survey.trash.refused}", 1, "request")
    rows = survey.trash.needed()
    only = all(row.get("archived") is True for row in rows)
    return seen(ONLY if only else ALSO, len(rows), "row")


@fact("limit=100 for the other lists", right=(ACCEPTED,))
def most_names(survey: Survey) -> Seen:
    """Used by several public clients; the default and the maximum are unknown."""
    listings = survey.names.values()
    statuses = {each.refused or 200 for each in listings} - {403, 404}
    found = consistent(map(answered, statuses), "no list is served")
    return seen(found, len(listings), "list")


@fact("total of the other lists", right=("the number of rows", "another number"))
def total(survey: Survey) -> Seen:
    """HubSpot's own sample has one more than rows."""
    complete = [each for each in survey.names.values() if each.is_complete]
    found = set()
    for listing in complete:
        totals = {page.reply.body.get("total") for page in listing.pages}
        if totals == {None}:
            found.add("missing")
        elif totals == {len(listing.rows)}:
            found.add("the number of rows")
        else:
            found.add("another number")
    return seen(consistent(found, "no list is served"), len(complete), "list")


@fact("paging.prev in the other lists")
def previous(survey: Survey) -> Seen:
    """Documented; the tap reads paging.next alone."""
    pages = survey.names_in_small_pages.pages[1:]
    if not pages:
        msg = "there is one page"
        raise CannotTell(msg)
    found = {
        "present" if isinstance(p.paging, dict) and p.paging.get("prev") else "missing"
        for p in pages
    }
    return seen("present" if "present" in found else "missing", len(pages), "page")


@fact("channel accounts of threads", right=("all listed", "some not listed"))
def lost_accounts(survey: Survey) -> Seen:
    """In old accounts, threads point to accounts that no list has."""
    live, archived = survey.names["channel-accounts"], survey.archived_names
    listed = {row.get("id") for row in live.needed()}
    listed |= {row.get("id") for row in archived["channel-accounts"].rows}
    if not live.is_complete:
        msg = "there are too many channel accounts"
        raise CannotTell(msg)
    used = {row.get("originalChannelAccountId") for row in survey.threads} - {None}
    lost = used - listed
    found = "some not listed" if lost else "all listed"
    return seen(consistent([found] if used else [], "no thread"), len(used), "account")


# Actors.


def _ask(survey: Survey, ids: list[str]) -> t.Any:
    path = endpoint_path(VERSION, "actors/batch/read")
    return survey.client.ask(path, inputs=ids)


class Batch(t.NamedTuple):
    """A batch of 100 actors, most of whom the account has, and its reply."""

    known: list[str]
    unknown: list[str]
    reply: t.Any

    @property
    def rows(self) -> list[Row]:
        """The actors of the reply."""
        rows = self.reply.body.get("results", [])
        return [row for row in rows if isinstance(row, dict)]


def _batch(survey: Survey, *, known: int = _KNOWN, size: int = _BATCH) -> Batch:
    """Ask for actors; a batch that was accepted before is not asked for again."""
    kept: dict[int, Batch] = survey.__dict__.setdefault("batches", {})
    if size not in kept:
        ids = survey.actor_ids[:known]
        made_up = [f"A-{n}" for n in range(1, 3 * size) if f"A-{n}" not in ids]
        unknown = made_up[: size - len(ids)]
        kept[size] = Batch(ids, unknown, _ask(survey, [*ids, *unknown]))
    return kept[size]


def _answered_batch(survey: Survey) -> Batch:
    """Return the batch of 100, or a small one if that is refused."""
    batch = _batch(survey)
    if batch.reply.status == 400:
        batch = _batch(survey, known=8, size=10)
    return batch


@fact("batch of 100 actors", right=(ACCEPTED, REFUSED))
def batch_size(survey: Survey) -> Seen:
    """No maximum is documented. The tap divides a batch that is refused."""
    status = _batch(survey).reply.status
    return seen(answered(status), 1, "request")


@fact("unknown actors", right=(ERROR_207, ERROR_200, LACKING, REFUSED))
def unknown_actors(survey: Survey) -> Seen:
    """An error or silence; the tap writes a row with the ID alone."""
    batch = _answered_batch(survey)
    status, found = batch.reply.status, {row.get("id") for row in batch.rows}
    if not set(batch.unknown) - found and status < 400:
        msg = "the actors that were asked for exist"
        raise CannotTell(msg)
    kinds = {
        (207, True): ERROR_207,
        (200, True): ERROR_200,
        (200, False): LACKING,
        (207, False): f"{LACKING} in a 207",
    }
    has_errors = bool(batch.reply.body.get("errors"))
    how = kinds.get((status, has_errors), f"refused with {status}")
    return seen(how, len(set(batch.unknown) - found), "actor")


@fact("category of the error for unknown actors", right=(NOT_FOUND,))
def error_category(survey: Survey) -> Seen:
    """The tap takes an actor for unknown only if this is the category."""
    errors = _answered_batch(survey).reply.body.get("errors")
    if not isinstance(errors, list) or not errors:
        msg = "there is no error"
        raise CannotTell(msg)
    found = [each.get("category") for each in errors if isinstance(each, dict)]
    return seen(names(found, VALUE), len(errors), "error")


@fact("order of actors")
def order_of_actors(survey: Survey) -> Seen:
    """The tap finds actors by their IDs."""
    batch = _answered_batch(survey)
    order = [row.get("id") for row in batch.rows if row.get("id") in batch.known]
    asked = [each for each in batch.known if each in order]
    if len(asked) < 3:
        msg = "there are too few actors"
        raise CannotTell(msg)
    how = "as asked for" if order == asked else "another order"
    return seen(how, len(asked), "actor")


@fact("kinds of actors with a row")
def kinds_of_actors(survey: Survey) -> Seen:
    """Which kinds the batch returns; E, I and L were never measured."""
    batch = _answered_batch(survey)
    found = {str(row.get("id")).partition("-")[0] for row in batch.rows}
    asked = {each.partition("-")[0] for each in batch.known}
    shown = [k if k in found else f"not {k}" for k in TYPES if k in asked]
    return seen(consistent(shown, "no actor is mentioned"), len(batch.known), "actor")


@fact("unknown kinds of actors")
def unknown_kinds(survey: Survey) -> Seen:
    """IDs that begin in another way; left out without `include_visitors`."""
    ids = survey.actor_ids
    kinds = {each.partition("-")[0] for each in ids} - set(TYPES)
    if not ids:
        msg = "no actor is mentioned"
        raise CannotTell(msg)
    return seen(names(kinds, _KIND), len(ids), "actor")


@fact("unknown types of actors")
def unknown_types(survey: Survey) -> Seen:
    """Passed through."""
    rows = _rows(survey)
    types = {row.get("type") for row in rows} - set(TYPES.values())
    return seen(names(types, VALUE), len(rows), "actor")


@fact("unknown fields of actors")
def unknown_fields(survey: Survey) -> Seen:
    """Left out with a warning."""
    rows = _rows(survey)
    fields = {f for row in rows for f in row.keys() - schemas.ACTOR["properties"]}
    return seen(names(fields, FIELD), len(rows), "actor")


@fact("fields of actors without a value", right=PRESENCE)
def optional_of_actors(survey: Survey) -> Seen:
    """Absent or null."""
    rows = _rows(survey)
    return presence((row, _OPTIONAL.get(str(row.get("type")), ())) for row in rows)


def _rows(survey: Survey) -> list[Row]:
    rows = _answered_batch(survey).rows
    if not rows:
        msg = "no actor is known"
        raise CannotTell(msg)
    return rows
