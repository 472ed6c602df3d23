"""The stream `actors`: who the other streams mention.

HubSpot has no list of actors. It can only be asked for actors whose IDs are known.
"""

from __future__ import annotations

import re
import typing as t
from collections import defaultdict
from functools import partial
from http import HTTPStatus

from typing_extensions import override

from tap_hubspot_threads import schemas
from tap_hubspot_threads.errors import RequestRefused
from tap_hubspot_threads.paging import Page
from tap_hubspot_threads.seen import SeenIds
from tap_hubspot_threads.streams import HubSpotStream

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_hubspot_threads.tap import TapHubSpotThreads

TYPES = {
    "A": "AGENT",
    "B": "BOT",
    "E": "EMAIL",
    "I": "INTEGRATOR",
    "L": "LLM",
    "S": "SYSTEM",
    "V": "VISITOR",
}
"""The types of HubSpot's reference, by the first part of an ID."""

NO_CUSTOMERS = frozenset("ABILS")
"""The first parts of IDs that no customer has."""

KINDS = "kinds"
"""Key of the state: the kinds of actors that have been written for all rows."""

_ID = re.compile(r"[A-Z]-.")


_SOURCES = ("threads", "messages")


class ActorsStream(HubSpotStream):
    """Actors that rows of this run mention, each one once a run.

    They are written before the STATE that covers those rows. So a run that is killed
    leaves no actor out: the next one reads the rows after its last STATE again.
    """

    name = "actors"
    endpoint = "actors/batch/read"
    schema: t.ClassVar[dict[str, t.Any]] = schemas.ACTOR

    BATCH = 100
    """Most IDs of a request. HubSpot documents no limit for actors; 100 is that of its
    CRM batches."""

    def __init__(self, tap: TapHubSpotThreads) -> None:
        """Start without actors."""
        super().__init__(tap)
        self._seen: defaultdict[str, SeenIds] = defaultdict(SeenIds)
        self._new: list[str] = []
        self._written = 0
        self._unknown = 0
        self._strange: set[str] = set()

    def add(self, identities: Iterable[object]) -> None:
        """Note whom to ask for. Whatever is not the ID of an actor is ignored."""
        everybody = self.config["include_visitors"]
        for identity in identities:
            if not isinstance(identity, str) or not _ID.match(identity):
                continue
            kind, _, rest = identity.partition("-")
            if kind not in TYPES:
                self._strange.add(kind)
            is_asked_for = everybody or kind in NO_CUSTOMERS
            if is_asked_for and self._seen[kind].add(rest):
                self._new.append(identity)

    @property
    def has_all_kinds(self) -> bool:
        """Whether earlier runs have written all kinds of actors that this one asks for.

        Not if the stream, or the setting `include_visitors`, was turned on later.
        """
        kept = self.get_context_state(None).get(KINDS)
        return isinstance(kept, str) and set(self._kinds) <= set(kept)

    def note_kinds(self) -> None:
        """Note in the state that all actors of these kinds have been written."""
        if not self.is_refused:
            self.get_context_state(None)[KINDS] = self._kinds

    @property
    def _kinds(self) -> str:
        everybody = self.config["include_visitors"]
        return "".join(sorted(TYPES.keys() if everybody else NO_CUSTOMERS))

    def write_new(self) -> None:
        """Ask HubSpot for the actors noted since the last call, and write them."""
        new, self._new = self._new, []
        if self.is_refused:
            return
        self.progress.begin_pass("Actors")
        batches = (new[n : n + self.BATCH] for n in range(0, len(new), self.BATCH))
        calls = (partial(self._ask, batch) for batch in batches)
        with self.refusal_postponed():
            for pages in self.pool.in_order(calls, ahead=self.pool.workers):
                for page, unknown in pages:
                    records = [self.reader.read(row) for row in page.rows]
                    self.write_page(records, page.fetched_at)
                    self.progress.page(records, len(records), order="id")
                    self._written += len(records)
                    self._unknown += unknown
        if self.name in self._hubspot_tap.refusals:
            # Some are missing now, so a sweep is due as soon as HubSpot serves them.
            self.get_context_state(None).pop(KINDS, None)
        self.write_batches()

    def _ask(self, batch: list[str]) -> list[tuple[Page, int]]:
        """Return pages with a row for each ID, and how many HubSpot did not know.

        Safe to call from any thread. HubSpot may reject a batch because it is too large
        or because of one ID. It is then divided, down to that ID.

        Raises:
            RequestRefused: If HubSpot rejects every ID.
        """
        try:
            return [self._read(batch)]
        except RequestRefused as error:
            if error.status != HTTPStatus.BAD_REQUEST or len(batch) == 1:
                raise
            refusal = error
        middle = len(batch) // 2
        found: list[tuple[Page, int]] = []
        rejected: list[str] = []
        for half in (batch[:middle], batch[middle:]):
            try:
                found += self._ask(half)
            except RequestRefused as error:
                if error.status != HTTPStatus.BAD_REQUEST:
                    raise
                rejected += half
        if not found:
            raise refusal
        if rejected:
            stubs = found[0][0]._replace(rows=list(map(_stub, rejected)))
            found.append((stubs, len(rejected)))
        return found

    def _read(self, batch: list[str]) -> tuple[Page, int]:
        answer = self.client.post(self.path, {"inputs": batch})
        if _is_partial(answer.body):
            answer = self.client.post(self.path, {"inputs": batch})
        page = Page.of(answer)
        known = {
            row["id"]: row
            for row in page.rows
            if isinstance(row, dict) and row.get("id") in batch
        }
        unknown = [identity for identity in batch if identity not in known]
        # What HubSpot may know must not be replaced in the target by a row of nulls.
        stubs = [] if _is_partial(answer.body) else map(_stub, unknown)
        return page._replace(rows=[*known.values(), *stubs]), len(unknown)

    @override
    def dry_run(self, most: int) -> None:
        pass  # there is nobody yet to ask for

    @override
    def passes(self) -> Iterator[tuple[str, Iterator[int]]]:
        others = self._hubspot_tap.streams
        if not any(name in others and others[name].selected for name in _SOURCES):
            self.logger.warning(
                "Nothing to read: `actors` holds whom `threads` and `messages` "
                "mention; select `threads` as well"
            )
        yield "mentioned", iter((self._written,))
        if self._unknown:
            self.logger.warning(
                "Actors of whom HubSpot has no more than the ID: %d",
                self._unknown,
            )
        if self._strange:
            self.logger.warning(
                "Actors of kinds that this version does not know, and leaves out "
                "without `include_visitors`: %s",
                ", ".join(sorted(self._strange)),
            )
        self.reader.report()
        self.progress.end(requests=self.requests_sent)


def _is_partial(body: dict[str, t.Any]) -> bool:
    """Return whether HubSpot failed to find actors that it may know."""
    if body.get("status") in {"PENDING", "PROCESSING", "CANCELED"}:
        return True
    errors = body.get("errors")
    return any(
        isinstance(error, dict) and error.get("category") != "OBJECT_NOT_FOUND"
        for error in (errors if isinstance(errors, list) else ())
    )


def _stub(identity: str) -> dict[str, str | None]:
    """Return the row of an actor that HubSpot does not know, so that joins find it."""
    return {"id": identity, "type": TYPES.get(identity[0])}
