"""From a row of HubSpot's answer to the record that is written."""

from __future__ import annotations

import operator
import re
import typing as t
from collections import Counter

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.errors import UnreadableAnswer

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection

    Record: t.TypeAlias = dict[str, t.Any]
    Convert: t.TypeAlias = Callable[[t.Any], t.Any]
    IsSelected: t.TypeAlias = Callable[[tuple[str, ...]], bool]

_LONGEST_ID = 20
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}")


class RowReader:
    """Makes records of exactly the selected fields, in the schema's order.

    A field that HubSpot left out is written as null: rows omit what they do not
    have (a reopened thread has no ``closedAt``), and a target that only updates the
    columns it is given would keep the old value.

    What the schema does not know is left out with one warning a run for each name;
    a value of another type than the schema's becomes null with a warning that names
    thread and field. Neither warning quotes a value.
    """

    MOST_NAMES = 20
    """Unknown fields of one row that are named."""

    MOST_WARNINGS = 100
    """Unreadable values that are named one by one; after these only counted."""

    def __init__(
        self,
        schema: dict[str, t.Any],
        *,
        key: str,
        is_selected: IsSelected,
        flattened: bool = False,
        logger: logging.Logger,
    ) -> None:
        """Take the field names, their types and what is selected from the catalog.

        Args:
            schema: JSON schema of the stream.
            key: The field that no row may lack.
            is_selected: Says of a catalog breadcrumb whether it is selected.
            flattened: Write an object that is null as one of nulls. The SDK flattens
                only what is an object, and a row would lack the columns.
            logger: Where warnings go.
        """
        self._key = key
        self._logger = logger
        self._flattened = flattened
        self._warned: set[str] = set()
        self._unreadable: Counter[str] = Counter()
        self._fields = _Fields(schema["properties"], (), is_selected)
        self._usual = _UsualRows(schema["properties"], self._fields, key, flattened)

    def read(self, row: object) -> Record:
        """Return the record of one row.

        Raises:
            UnreadableAnswer: If the row is no object or has no id.
        """
        if not isinstance(row, dict):
            msg = "HubSpot answered with a row that is not an object"
            raise UnreadableAnswer(msg)
        record = self._usual.read(row)
        if record is not None:
            return record
        identity = row.get(self._key)
        if identity == "" or type(identity) not in {str, int}:
            msg = (
                f"HubSpot answered with a row without `{self._key}`; nothing of its "
                "page was written. Run again, and report it to HubSpot if it stays"
            )
            raise UnreadableAnswer(msg)
        return self._convert(row, self._fields, str(identity), "")

    def report(self) -> None:
        """Log how many unreadable values were not named one by one."""
        for name, count in self._unreadable.items():
            if count > self.MOST_WARNINGS:
                self._logger.warning(
                    "Values of `%s` that could not be read and were written as "
                    "null: %d in all",
                    name,
                    count,
                )
        self._unreadable.clear()

    def _convert(
        self, row: dict[str, t.Any], fields: _Fields, identity: str, prefix: str
    ) -> Record:
        if not row.keys() <= fields.known:
            self._warn_unknown(row.keys() - fields.known, prefix)
        record: Record = {}
        get = row.get
        for name, convert in fields.scalars:
            value = get(name)
            if value is not None:
                try:
                    value = convert(value)
                except ValueError:
                    value = None
                    self._warn_unreadable(prefix + name, identity)
            record[name] = value
        for name, nested in fields.objects:
            value = get(name)
            if isinstance(value, dict):
                value = self._convert(value, nested, identity, f"{prefix}{name}.")
            elif value is not None:
                value = None
                self._warn_unreadable(prefix + name, identity)
            if value is None and self._flattened:
                value = self._convert({}, nested, identity, f"{prefix}{name}.")
            record[name] = value
        return record

    def _warn_unknown(self, names: Collection[str], prefix: str) -> None:
        new = sorted({prefix + name for name in names} - self._warned)
        self._warned.update(new)
        # A name that does not look like one might be somebody's words.
        shown = [f"`{name}`" for name in new if _FIELD_NAME.fullmatch(name)]
        shown = shown[: self.MOST_NAMES]
        if len(shown) < len(new):
            shown.append(f"{len(new) - len(shown)} that are not named here")
        if new:
            self._logger.warning(
                "HubSpot sent fields that this version does not know; they are left "
                "out: %s",
                ", ".join(shown),
            )

    def _warn_unreadable(self, name: str, identity: str) -> None:
        self._unreadable[name] += 1
        if self._unreadable[name] <= self.MOST_WARNINGS:
            self._logger.warning(
                "Thread %s: the value of `%s` is not of its type and is written as "
                "null",
                _safe(identity),
                name,
            )


class _UsualRows:
    """Reads the rows in which nothing has to be converted, as in nearly all of them.

    The types of all values of a row are looked up in one go, among the combinations
    that have been met; there are few.
    """

    def __init__(
        self,
        properties: dict[str, dict[str, t.Any]],
        fields: _Fields,
        key: str,
        flattened: bool,  # noqa: FBT001
    ) -> None:
        scalars = [n for n, schema in properties.items() if "properties" not in schema]
        objects = [n for n, schema in properties.items() if "properties" in schema]
        self._key = key
        self._flattened = flattened
        self._nulls: Record = dict.fromkeys(scalars + objects)
        self._kinds = [_kinds(properties[name]) for name in self._nulls]
        self._met: set[tuple[type, ...]] = set()
        selected = dict(fields.scalars) | dict(fields.objects)
        self._deselected = [name for name in self._nulls if name not in selected]
        self._date_times = [n for n, convert in fields.scalars if convert is _date_time]
        self._objects = [
            (name, nested.known if nested.is_all_text else None)
            for name, nested in fields.objects
        ]

    def read(self, row: dict[str, t.Any]) -> Record | None:
        """Return the record of a row, None if it is not a usual one."""
        record = self._nulls | row
        if len(record) != len(self._nulls) or not record[self._key]:
            return None
        kinds = tuple(map(type, record.values()))
        if kinds not in self._met:
            if not all(map(operator.contains, self._kinds, kinds)):
                return None
            self._met.add(kinds)
        for name in self._date_times:
            value = record[name]
            if value is not None and not timestamps.is_normal(value):
                return None
        for name, texts in self._objects:
            if not self._is_usual_object(record[name], texts):
                return None
        for name in self._deselected:
            del record[name]
        return record

    def _is_usual_object(
        self, value: dict[str, t.Any] | None, texts: Collection[str] | None
    ) -> bool:
        if value is None:
            return not self._flattened
        return value.keys() == texts and {*map(type, value.values())} == {str}


def _kinds(schema: dict[str, t.Any]) -> set[type]:
    if "properties" in schema:
        return {dict, type(None)}
    if "boolean" in schema["type"]:
        return {bool, type(None)}
    return {str, type(None)}


class _Fields:
    """Which fields of an object are known, and how each selected one is read."""

    def __init__(
        self,
        properties: dict[str, dict[str, t.Any]],
        breadcrumb: tuple[str, ...],
        is_selected: IsSelected,
    ) -> None:
        self.known = properties.keys()
        self.scalars: list[tuple[str, Convert]] = []
        self.objects: list[tuple[str, _Fields]] = []
        for name, schema in properties.items():
            crumb = (*breadcrumb, "properties", name)
            if not is_selected(crumb):
                continue
            if "properties" in schema:
                nested = _Fields(schema["properties"], crumb, is_selected)
                self.objects.append((name, nested))
            else:
                self.scalars.append((name, _converter(schema)))
        self.is_all_text = [n for n, c in self.scalars if c is _text] == [*properties]


def _converter(schema: dict[str, t.Any]) -> Convert:
    if schema.get("format") == "date-time":
        return _date_time
    if "boolean" in schema["type"]:
        return _boolean
    return _text


def _text(value: object) -> str:
    # Ids are documented as strings of digits; as numbers they would be the same ids.
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def _date_time(value: object) -> str | None:
    if value == "":
        return None
    if isinstance(value, str):
        return timestamps.normalize(value)
    raise ValueError


def _safe(identity: str) -> str:
    # Only what an id is documented to be: anything else might be somebody's words.
    if identity.isascii() and identity.isdigit() and len(identity) <= _LONGEST_ID:
        return identity
    return "with an id that is not a number"
