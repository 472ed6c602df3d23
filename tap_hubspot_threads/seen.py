"""A set of IDs that stays small."""

from __future__ import annotations

import typing as t

from pyroaring import BitMap64

if t.TYPE_CHECKING:
    from collections.abc import Iterable


class SeenIds:
    """The IDs that a run has written: about two megabytes for a million dense IDs.

    An ID is documented as a string of digits. One that is not counts as new each time.
    """

    _MOST_DIGITS = 19

    def __init__(self) -> None:
        """Start empty."""
        self._numbers = BitMap64()

    def add(self, identity: str) -> bool:
        """Remember an ID, and return whether it is new."""
        if identity in self:
            return False
        if self._is_number(identity):
            self._numbers.add(int(identity))
        return True

    def update(self, identities: Iterable[str]) -> None:
        """Remember some IDs."""
        self._numbers.update(map(int, filter(self._is_number, identities)))

    def __contains__(self, identity: str) -> bool:
        """Return whether an ID is remembered."""
        return self._is_number(identity) and int(identity) in self._numbers

    def __bool__(self) -> bool:
        """Return whether any ID is remembered."""
        return bool(self._numbers)

    def __le__(self, other: SeenIds) -> bool:
        """Return whether another set has all of these IDs."""
        return self._numbers <= other._numbers

    def _is_number(self, identity: str) -> bool:
        return (
            identity.isascii()
            and identity.isdigit()
            and len(identity) <= self._MOST_DIGITS
            and (identity[0] != "0" or identity == "0")
        )
