"""A set of IDs that stays small."""

from __future__ import annotations

import typing as t

from pyroaring import BitMap64

if t.TYPE_CHECKING:
    from collections.abc import Iterable


class SeenIds:
    """IDs that have been met: about two megabytes for a million dense IDs.

    An ID is usually a string of digits. Others take more memory.
    """

    _MOST_DIGITS = 19

    def __init__(self) -> None:
        """Start empty."""
        self._numbers = BitMap64()
        self._texts: set[str] = set()

    def add(self, identity: str) -> bool:
        """Remember an ID, and return whether it is new."""
        if identity in self:
            return False
        if self._is_number(identity):
            self._numbers.add(int(identity))
        else:
            self._texts.add(identity)
        return True

    def update(self, identities: Iterable[str]) -> None:
        """Remember some IDs."""
        identities = list(identities)
        self._numbers.update(map(int, filter(self._is_number, identities)))
        self._texts.update(i for i in identities if not self._is_number(i))

    def __contains__(self, identity: str) -> bool:
        """Return whether an ID is remembered."""
        if self._is_number(identity):
            return int(identity) in self._numbers
        return identity in self._texts

    def __bool__(self) -> bool:
        """Return whether any ID is remembered."""
        return bool(self._numbers or self._texts)

    def __le__(self, other: SeenIds) -> bool:
        """Return whether another set has all of these IDs."""
        return self._numbers <= other._numbers and self._texts <= other._texts

    def _is_number(self, identity: str) -> bool:
        return (
            identity.isascii()
            and identity.isdigit()
            and len(identity) <= self._MOST_DIGITS
            and (identity[0] != "0" or identity == "0")
        )
