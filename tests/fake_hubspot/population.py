"""Threads made from a seed, each one only when somebody asks for it.

A million rows as dicts would fill a gigabyte and take a minute. Here an account is a
block of random bytes, 16 for each thread, and everything that is to be known of the
thread at an index is computed from its bytes: its id and its place in both orders
cheaply, the JSON of its row when it is served.
"""

from __future__ import annotations

import random
import zlib
from struct import Struct
from typing import TYPE_CHECKING

import msgspec

from .entry import Entry, Row, Selection
from .moments import DAY, MILLISECOND, SECOND, render_plain
from .profiles import draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .profiles import Profile
    from .shape import Shape

_GAP = 37
_MIDDLE_ID = 10**9
_FIRST_TICKET = 57_774_743
_FIRST_VISITOR = 2**53 + 1
_FIRST_ASSIGNEE = 8_000_000_000
_YEAR_MS = 31_556_952_000

_TICKET = ',"threadAssociations":'

_LANE = 65_536
_DISORDER = 3 / _LANE
_LANES = Struct("<8H")
"""The bytes of a thread: gap, jitter, kind, size of lag, lag, other, closed, people."""


class Population:
    """The seeded threads of an account, by index from 0, in `id` order."""

    def __init__(
        self,
        size: int,
        seed: int,
        now: int,
        years: float,
        shape: Shape,
        *,
        keep: bool = False,
    ) -> None:
        """Draw the random bytes and the kinds of threads; nothing else is made yet.

        With `keep` the JSON of a row is kept once it is made.
        """
        source = random.Random(seed)
        self.size = size
        self.shape = shape
        self._profiles = draw(shape, size, source)
        self._data = source.randbytes(size * _LANES.size)
        self._now = now
        self.since = now - int(years * _YEAR_MS) * MILLISECOND
        """The moment before which no thread is created."""
        self._step = years * _YEAR_MS / max(1, size)
        # Ids pass a power of ten, so that their order as text is wrong somewhere.
        self._first_id = max(1, _MIDDLE_ID - size // 2 * _GAP)
        self._indexed = False
        self.keeps = keep
        self._texts: dict[int, str] = {}
        self._people = size // 2 + 1
        self._newer = int(shape.newer * _LANE)
        self._assignees = int(shape.visitor_assignees * _LANE)
        self._tie_size = shape.tie_size
        self._ties = self._draw_ties(source) if shape.tied else []
        self._mixed = shape.timestamps == "mixed"
        self._write = render_plain if shape.timestamps == "fraction" else shape.text

    def reindex(self) -> None:
        """Move the threads that are newer than their place to where they belong."""
        self._indexed = True

    @property
    def last_id(self) -> int:
        """The greatest id that a seeded thread may have."""
        return self._first_id + self.size * _GAP

    def index(self, number: int) -> int | None:
        """Find the index of an id, or None where no seeded thread has it."""
        index, gap = divmod(number - self._first_id, _GAP)
        if not 0 <= index < self.size or self._lanes(index)[0] % _GAP != gap:
            return None
        return index

    def keys(self, selection: Selection) -> Iterator[int]:
        """Give the places of all threads of a selection, in `id` order."""
        profiles = self._profiles
        kinds = len(profiles)
        suits = [profile.suits(selection) for profile in profiles]
        by_people = selection.contact is not None or selection.ticket is not None
        by_message = selection.by_message
        place, times, first_id = selection.place, self._times, self._first_id
        for index, lanes in enumerate(_LANES.iter_unpack(self._data)):
            kind = lanes[2] % kinds
            if not suits[kind]:
                continue
            profile = profiles[kind]
            if by_people and not (
                selection.contact in (None, self._contact(profile, lanes))
                and selection.ticket in (None, self._ticket(lanes))
            ):
                continue
            _, indexed = times(index, profile, lanes) if by_message else (0, None)
            if self._indexed:
                indexed = self._latest(index, indexed)
            key = place(first_id + index * _GAP + lanes[0] % _GAP, indexed)
            if key is not None:
                yield key

    def archivings(self) -> Iterator[tuple[int, int]]:
        """Give moment and id of every thread that is archived."""
        archived = [profile.archived for profile in self._profiles]
        if not any(archived):
            return
        kinds = len(archived)
        for index, lanes in enumerate(_LANES.iter_unpack(self._data)):
            if archived[lanes[2] % kinds]:
                yield self._archived_at(index, lanes), self._number(index, lanes[0])

    def entry(self, index: int) -> Entry:
        """Make the thread at an index."""
        lanes = self._lanes(index)
        profile = self._profiles[lanes[2] % len(self._profiles)]
        row: Row = msgspec.json.decode(self.text(index, tickets=True))
        _, indexed = self._times(index, profile, lanes)
        latest = self._latest(index, indexed)
        return Entry(
            row,
            latest,
            latest if self._indexed else indexed,
            self._archived_at(index, lanes) if profile.archived else None,
        )

    def text(self, index: int, *, tickets: bool) -> str:
        """Give the JSON of the row at an index, with or without its associations."""
        text = self._texts.get(index)
        if text is None:
            text = self._make_text(index)
            if self.keeps:
                self._texts[index] = text
        if tickets or not text.endswith("}}"):
            return text
        return text[: text.rindex(_TICKET)] + "}"

    def _make_text(self, index: int) -> str:
        lanes = self._lanes(index)
        gap, _, kind, size, lag, other, closed, _ = lanes
        profile = self._profiles[kind % len(self._profiles)]
        created, indexed = self._times(index, profile, lanes)
        latest = self._latest(index, indexed)
        write = self._write
        row = (
            f'{{"id":"{self._first_id + index * _GAP + gap % _GAP}",'
            f'"createdAt":"{write(created, gap)}",{self._fixed(index, profile)},'
            f'"associatedContactId":"{self._contact(profile, lanes)}"'
        )
        since = created
        if latest is not None:
            since = latest
            newest = write(latest, lag)
            row += f',"latestMessageTimestamp":"{newest}","{profile.newest}":"{newest}"'
            if profile.other is not None:
                earlier = created + (latest - created) // _LANE * other
                earlier -= earlier % MILLISECOND
                row += f',"{profile.other}":"{write(earlier, other)}"'
        if profile.closed:
            moment = since + closed * 1_300 * MILLISECOND
            row += f',"closedAt":"{write(min(moment, self._now), size)}"'
        if profile.ticket:
            row += f'{_TICKET}{{"associatedTicketId":"{self._ticket(lanes)}"}}'
        return row + "}"

    def _fixed(self, index: int, profile: Profile) -> str:
        """Give the members that a kind shares, with a visitor as assignee for some."""
        if not self._assignees:
            return profile.fixed
        start = index * _LANES.size + 1
        chance = zlib.crc32(self._data[start : start + _LANES.size - 1])
        if chance % _LANE >= self._assignees:
            return profile.fixed
        return f'{profile.unassigned},"assignedTo":"V-{_FIRST_ASSIGNEE + index}"'

    def _lanes(self, index: int) -> tuple[int, ...]:
        return _LANES.unpack_from(self._data, index * _LANES.size)

    def _number(self, index: int, gap: int) -> int:
        return self._first_id + index * _GAP + gap % _GAP

    def _created(self, index: int, jitter: int) -> int:
        """Spread creation over the years, out of `id` order by up to three places."""
        ms = int((index + jitter * _DISORDER) * self._step)
        created = self.since + ms * MILLISECOND
        return min(created, self._now)

    def _times(
        self, index: int, profile: Profile, lanes: tuple[int, ...]
    ) -> tuple[int, int | None]:
        """Give creation and last message, which comes seconds to two years after.

        The message is the last one that is indexed; see `_latest`.
        """
        _, jitter, _, size, lag, other, _, _ = lanes
        created = self._created(index, jitter)
        if profile.silent:
            return created, None
        if self._ties:
            tied = self._ties[index // self._tie_size]
            if tied is not None:
                return created, tied
        # As often seconds as days: 24 sizes, each twice the one before.
        wait = ((lag + _LANE) >> 4 << size % 24) * MILLISECOND
        room = self._now - created
        latest = created + (wait if wait <= room else wait % (room + MILLISECOND))
        if profile.whole_second:
            return created, max(latest - latest % SECOND, created)
        if self._mixed and other & 1 and latest < self._now:
            latest += other % MILLISECOND
        return created, latest

    def _latest(self, index: int, indexed: int | None) -> int | None:
        """Give the last message, which may be newer than the last one that is indexed.

        The difference is as often seconds as days, and never leads into the future.
        """
        if not self._newer or indexed is None:
            return indexed
        start = index * _LANES.size
        chance = zlib.crc32(self._data[start : start + _LANES.size])
        share, lag = divmod(chance, _LANE)
        if share >= self._newer:
            return indexed
        longest = self.shape.newer_seconds * 1_000
        newer = indexed + int(longest ** (lag / _LANE)) * MILLISECOND
        return max(indexed, min(newer, self._now))

    def _draw_ties(self, source: random.Random) -> list[int | None]:
        """Give the moment that each burst of threads shares, None for no burst."""
        size = self._tie_size
        return [
            self._created((block + 1) * size + 3, 0)
            if source.random() < self.shape.tied
            else None
            for block in range(self.size // size + 1)
        ]

    def _archived_at(self, index: int, lanes: tuple[int, ...]) -> int:
        archived_at = self._now - lanes[7] * 30 * DAY // _LANE
        archived_at -= archived_at % MILLISECOND
        return max(self._created(index, lanes[1]), archived_at)

    def _contact(self, profile: Profile, lanes: tuple[int, ...]) -> str:
        number = (lanes[7] << 8 | lanes[6] & 255) % self._people
        return str(_FIRST_VISITOR + number if profile.visitor else 51 + 50 * number)

    def _ticket(self, lanes: tuple[int, ...]) -> str:
        number = (lanes[7] << 8 | lanes[5] & 255) % self._people
        return str(_FIRST_TICKET + number)
