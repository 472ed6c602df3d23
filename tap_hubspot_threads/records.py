"""From a row of HubSpot's answer to the record that is written."""

from __future__ import annotations

import re
import typing as t
from collections import Counter

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.errors import InvalidResponse

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection

    Record: t.TypeAlias = dict[str, t.Any]
    Convert: t.TypeAlias = Callable[[t.Any], t.Any]
    IsUsual: t.TypeAlias = Callable[[t.Any], object]
    IsSelected: t.TypeAlias = Callable[[tuple[str, ...]], bool]

_LONGEST_ID = 20
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}")


def is_id(value: object) -> bool:
    """Return whether a value can identify a row."""
    return type(value) in {str, int} and value != ""


class RecordReader:
    """Makes records of exactly the selected fields, in the schema's order.

    A field that HubSpot omits is written as null. Rows omit what they do not have (a
    reopened thread has no ``closedAt``), and a target that updates only the columns it
    receives would keep the old value.

    A field that the schema does not know is dropped, with one warning a run for each
    name. A value of another type than the schema's becomes null, with a warning that
    names the row and the field. Neither warning quotes a value.
    """

    MOST_NAMES = 20
    """Unknown fields of one row that are named."""

    MOST_WARNINGS = 100
    """Unreadable values of one field that are reported one by one."""

    def __init__(  # noqa: PLR0913 - all of it is named where it is made
        self,
        schema: dict[str, t.Any],
        *,
        stream: str,
        key: str,
        is_selected: IsSelected,
        flattened: bool = False,
        logger: logging.Logger,
    ) -> None:
        """Take the field names and their types from a JSON schema.

        Args:
            schema: The schema of the stream.
            stream: The name of the stream.
            key: The field that no row may lack.
            is_selected: Returns whether a breadcrumb of the catalog is selected.
            flattened: Write an object that is null as an object of nulls. The SDK
                flattens nothing else, and the record would lack the columns.
            logger: Where warnings go.
        """
        self._stream = stream
        self._key = key
        self._logger = logger
        self._flattened = flattened
        self._reported: set[str] = set()
        self._unreadable: Counter[str] = Counter()
        self._fields = _Fields(schema["properties"], (), is_selected)

    def read(self, row: object) -> Record:
        """Return the record of one row.

        Raises:
            InvalidResponse: If the row is not an object or has no ID.
        """
        if not isinstance(row, dict):
            msg = "HubSpot answered with a row that is not an object"
            raise InvalidResponse(msg)
        identity = row.get(self._key)
        if not is_id(identity):
            msg = (
                f"HubSpot answered with a row without `{self._key}`. Run again, and "
                "report it to HubSpot if it persists"
            )
            raise InvalidResponse(msg)
        return self._convert(row, self._fields, str(identity), "")

    def report(self) -> None:
        """Log how many unreadable values were not reported one by one."""
        for name, count in self._unreadable.items():
            if count > self.MOST_WARNINGS:
                self._logger.warning(
                    "Values of `%s` in `%s` that could not be read and were written as "
                    "null: %d in all",
                    name,
                    self._stream,
                    count,
                )
        self._unreadable.clear()

    def _convert(
        self, row: dict[str, t.Any], fields: _Fields, identity: str, prefix: str
    ) -> Record:
        record = self._selected(row, fields, prefix)
        for name, kind, is_usual, convert in fields.scalars:
            value = record[name]
            # Nearly all values need no conversion, which saves most of the calls.
            if value is None or (
                type(value) is kind and (is_usual is None or is_usual(value))
            ):
                continue
            try:
                record[name] = convert(value)
            except ValueError:
                record[name] = None
                self._warn_unreadable(prefix + name, identity)
        for name, nested in fields.objects:
            value = record[name]
            if isinstance(value, dict):
                value = self._convert(value, nested, identity, f"{prefix}{name}.")
            elif value is not None:
                value = None
                self._warn_unreadable(prefix + name, identity)
            if value is None and self._flattened:
                value = self._convert({}, nested, identity, f"{prefix}{name}.")
            record[name] = value
        for name, known in fields.open if self._flattened else ():
            record[name] = dict.fromkeys(known) | (record[name] or {})
        return record

    def _selected(self, row: dict[str, t.Any], fields: _Fields, prefix: str) -> Record:
        """Return the selected fields in the schema's order, null where omitted."""
        record = fields.nulls | row
        if len(record) > len(fields.nulls):
            self._warn_unknown(row.keys() - fields.known, prefix)
            for name in row.keys() - fields.nulls.keys():
                del record[name]
        return record

    def _warn_unknown(self, names: Collection[str], prefix: str) -> None:
        new = sorted({prefix + name for name in names} - self._reported)
        self._reported.update(new)
        # A name that does not look like one might be somebody's words.
        shown = [f"`{name}`" for name in new if _FIELD_NAME.fullmatch(name)]
        shown = shown[: self.MOST_NAMES]
        if len(shown) < len(new):
            shown.append(f"{len(new) - len(shown)} more that are not named here")
        if new:
            self._logger.warning(
                "Dropping fields that this version of `%s` does not know: %s",
                self._stream,
                ", ".join(shown),
            )

    def _warn_unreadable(self, name: str, identity: str) -> None:
        self._unreadable[name] += 1
        if self._unreadable[name] <= self.MOST_WARNINGS:
            self._logger.warning(
                "Row %s of `%s`: the value of `%s` does not have the right type and is "
                "written as null",
                _safe(identity),
                self._stream,
                name,
            )


class _Fields:
    """Which fields of an object are known, and how each selected one is read."""

    def __init__(
        self,
        properties: dict[str, dict[str, t.Any]],
        breadcrumb: tuple[str, ...],
        is_selected: IsSelected,
    ) -> None:
        self.known = properties.keys()
        self.nulls: dict[str, t.Any] = {}
        self.scalars: list[tuple[str, type, IsUsual | None, Convert]] = []
        self.objects: list[tuple[str, _Fields]] = []
        self.open: list[tuple[str, tuple[str, ...]]] = []
        for name, schema in properties.items():
            crumb = (*breadcrumb, "properties", name)
            if not is_selected(crumb):
                continue
            self.nulls[name] = None
            if schema.get("additionalProperties"):
                self.open.append((name, tuple(schema["properties"])))
            if schema.get("properties") and not schema.get("additionalProperties"):
                nested = _Fields(schema["properties"], crumb, is_selected)
                self.objects.append((name, nested))
            else:
                self.scalars.append((name, *_conversion(schema)))


def _conversion(schema: dict[str, t.Any]) -> tuple[type, IsUsual | None, Convert]:
    """Return the type of usual values, what else they must be, and the conversion."""
    if schema.get("format") == "date-time":
        return str, timestamps.FIXED_WIDTH.fullmatch, _date_time
    if "boolean" in schema["type"]:
        return bool, None, _boolean
    for name, kind in (("array", list), ("object", dict)):
        if name in schema["type"]:
            return kind, None, _unreadable
    return str, None, _text


def _text(value: object) -> str:
    # IDs are documented as strings of digits; as numbers they would be the same IDs.
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def _unreadable(_: object) -> t.NoReturn:
    raise ValueError


def _date_time(value: object) -> str | None:
    if value == "":
        return None
    if isinstance(value, str):
        return timestamps.normalize(value)
    raise ValueError


def _safe(identity: str) -> str:
    # Only what an ID is documented to be: anything else might be somebody's words.
    if identity.isascii() and identity.isdigit() and len(identity) <= _LONGEST_ID:
        return identity
    return "with an ID that is not a number"
