"""Facts about the API, what was seen of them, and the table that says so.

A reading is made of fixed texts, numbers, names of fields and values of enumerations.
Nothing else of a response may get into one: the table is meant to be published.
"""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.contract.survey import Survey

CANNOT_TELL = "cannot tell"
NONE = "none"

FIELD = re.compile(r"[a-z][A-Za-z0-9]{0,39}", re.ASCII)
"""How HubSpot names fields."""

VALUE = re.compile(r"[A-Z][A-Z_]{0,39}", re.ASCII)
"""How HubSpot writes the values of enumerations."""

_HEAD = ("Fact", "Reading", "Seen in")


class CannotTell(Exception):
    """The account has too little data for a reading. The message says what it lacks."""


class Seen(t.NamedTuple):
    """What a probe saw.

    Attributes:
        parts: The readings, more than one if rows or pages differ.
        basis: How many rows or pages they rest on.
    """

    parts: tuple[str, ...]
    basis: str


class Reading(t.NamedTuple):
    """One row of the table.

    Attributes:
        fact: The name of the fact.
        text: The readings.
        basis: How many rows or pages they rest on.
        is_right: Whether the tap is right under all of them, or none could be seen.
    """

    fact: str
    text: str
    basis: str
    is_right: bool = True

    @property
    def is_known(self) -> bool:
        """Whether anything was seen."""
        return not self.text.startswith(CANNOT_TELL)


class Fact(t.NamedTuple):
    """A fact, and how to read it.

    Attributes:
        name: What the table calls it.
        probe: Returns what it saw; raises `CannotTell`.
        right: The readings under which the tap is right; None if it is under any.
    """

    name: str
    probe: Callable[[Survey], Seen]
    right: frozenset[str] | None


FACTS: dict[str, Fact] = {}
"""Every fact by its name, in the order of the table."""


def fact(
    name: str, *, right: Iterable[str] | None = None
) -> Callable[[Callable[[Survey], Seen]], Callable[[Survey], Seen]]:
    """Register a probe. `right` is as in `Fact`."""

    def register(probe: Callable[[Survey], Seen]) -> Callable[[Survey], Seen]:
        FACTS[name] = Fact(name, probe, None if right is None else frozenset(right))
        return probe

    return register


def seen(parts: str | Iterable[str], number: int, unit: str) -> Seen:
    """Return what was seen in a number of rows, pages or the like."""
    known = (parts,) if isinstance(parts, str) else tuple(parts)
    return Seen(known, f"{number:,} {unit}{'' if number == 1 else 's'}")


def names(values: Iterable[object], form: re.Pattern[str]) -> tuple[str, ...]:
    """Return names of fields or values of enumerations, as far as they look like it."""
    texts = {value if isinstance(value, str) else "" for value in values}
    known = sorted(filter(form.fullmatch, texts))
    strange = ["an unusual name"] * (len(known) < len(texts))
    return (*known, *strange) or (NONE,)


def read(fact: Fact, survey: Survey) -> Reading:
    """Run a probe. Whatever it raises is described without a word of its message."""
    try:
        parts, basis = fact.probe(survey)
    except CannotTell as lacking:
        return Reading(fact.name, f"{CANNOT_TELL}: {lacking}", "")
    except KeyboardInterrupt:
        raise KeyboardInterrupt from None
    except Exception as error:  # noqa: BLE001 - its text or traceback may hold rows
        return Reading(fact.name, f"failed: {_where(error)}", "", is_right=False)
    is_right = fact.right is None or fact.right.issuperset(parts)
    return Reading(fact.name, ", ".join(parts), basis, is_right)


def _where(error: Exception) -> str:
    """Name an error's type and the line that raised it in this folder."""
    frame, place = error.__traceback__, ""
    while frame is not None:
        path = frame.tb_frame.f_code.co_filename.replace("\\", "/")
        if "/contract/" in path:
            place = f" at {path.rpartition('/')[2]}:{frame.tb_lineno}"
        frame = frame.tb_next
    return f"{type(error).__name__}{place}"


def table(readings: Iterable[Reading]) -> str:
    """Return the table in Markdown, in the order of `FACTS`."""
    order = list(FACTS)
    rows = sorted(readings, key=lambda reading: order.index(reading.fact))
    lines = [_HEAD, ("---", "---", "---"), *(row[:3] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def parse(text: str) -> dict[str, str]:
    """Return the readings of a table by fact, from a text that contains one."""
    cells = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        for line in text.splitlines()
        if line.strip().startswith("| ")
    ]
    return {line[0]: line[1] for line in cells if line[0] in FACTS}


def differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Describe where readings differ from those that were expected."""
    return [
        f"{name}: {found.get(name, 'no reading')!r} instead of {text!r}"
        for name, text in wanted.items()
        if found.get(name) != text
    ]
