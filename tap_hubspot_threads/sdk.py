"""The private names of singer-sdk that this tap relies on, all of them.

For each there is no public seam in singer-sdk 0.54, nor in the pre-releases of 0.55.
``tests/support/private_names.py`` lists them, and says so if one of them changes its
name, its place or its parameters.
"""

from __future__ import annotations

import copy
import logging
import os
import sys
import typing as t
from functools import cached_property

from singer_sdk import RESTStream, Tap
from singer_sdk.batch import Batcher
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from singer_sdk.singerlib import ActivateVersionMessage
from typing_extensions import override

from tap_hubspot_threads.errors import StreamMapError
from tap_hubspot_threads.output import PageWriter
from tap_hubspot_threads.signals import Terminated

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Generator, Iterator
    from types import FrameType

    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.io_base import GenericSingerWriter


class BaseTap(Tap):
    """A tap that checks its settings itself and leaves signals to the command."""

    message_writer_class: type[GenericSingerWriter[t.Any, t.Any]] = PageWriter

    @property
    def writer(self) -> PageWriter:
        """The writer of all messages."""
        return t.cast("PageWriter", self.message_writer)

    def check_settings(self, config: dict[str, t.Any]) -> list[str]:
        """Complete the settings in place. Return a line for each that is wrong."""
        raise NotImplementedError

    @classmethod
    def settings_schema(cls) -> dict[str, t.Any]:
        """Return the JSON schema of all settings, including the SDK's own."""
        schema = copy.deepcopy(cls.config_jsonschema)
        cls.append_builtin_config(schema)
        return schema

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        # The SDK's messages quote the value, which may be a secret, and name neither
        # the setting nor the remedy.
        problems = self.check_settings(self._config)
        if problems and raise_errors:
            msg = "Config validation failed"
            raise ConfigValidationError(msg, errors=problems)
        return problems

    @override
    @classproperty
    def _env_var_config(cls) -> dict[str, t.Any]:  # noqa: N805
        # The SDK crashes on a number that is none, and leaves fractions as text. Read
        # as text here, values are converted when the settings are checked. It also
        # looks for a `.env` in all folders above its own, and lets it override the
        # environment; a file that is always empty keeps it from that.
        names = cls.settings_schema()["properties"]
        as_text = {"properties": {name: {"type": "string"} for name in names}}
        values = parse_environment_config(
            as_text, cls._env_var_prefix, dotenv_path=os.devnull
        )
        # An empty variable must not hide what a file says.
        return {name: value for name, value in values.items() if value.strip()}

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        # The SDK writes STATE from within the handler, where a message may be half
        # written, and exits with 0. STATE has been written after the last page.
        raise Terminated(signum)


class BaseStream(RESTStream[t.Any]):
    """A stream that writes whole pages, and STATE when it decides to."""

    def __init__(self, tap: BaseTap, *, path: str) -> None:
        """Attach the stream to the tap."""
        super().__init__(tap, path=path)
        self._base_tap = tap
        self._batched: list[Record] = []
        self._has_schema = False
        self._rows_version: int | None = None
        self._requests_counted = 0

    def passes(self) -> Iterator[tuple[str, Iterator[int]]]:
        """Read and write everything, in one or more passes.

        Yields:
            The name of a pass for the metrics, and what carries it out: an iterator of
            the number of records after each page.
        """
        raise NotImplementedError

    @property
    def requests_sent(self) -> int:
        """How many requests have been sent so far."""
        raise NotImplementedError

    def dry_run(self, most: int) -> None:
        """Send at most one request, and write at most as many records of its answer."""
        raise NotImplementedError

    def before_state(self) -> None:
        """Write what belongs to the rows that the next STATE covers."""

    def write_page(self, records: list[Record], fetched_at: dt.datetime) -> None:
        """Write a page of records, each with the fields and types of the schema."""
        self._write_schema_message()
        if self._batcher is not None:
            self._batched += records
            return
        for stream_map in self.stream_maps:
            mapped = records
            if (
                type(stream_map) is not SameRecordTransform
                or stream_map.flattening_enabled
            ):
                try:
                    mapped = [
                        record
                        for record in map(stream_map.transform, records)
                        if record is not None
                    ]
                except Exception as error:
                    raise StreamMapError(error) from error
            if mapped:
                self._base_tap.writer.write_records(
                    stream_map.stream_alias,
                    mapped,
                    version=self._rows_version,
                    extracted_at=fetched_at,
                )

    def write_state(self) -> None:
        """Write STATE, unless the same one was just written.

        The SDK writes it every `STATE_MSG_FREQUENCY` records, which is not in step with
        the pages. With BATCH it is written once the rows are in a file.
        """
        if self._batcher is not None:
            if len(self._batched) < self._batcher.batch_config.batch_size:
                return
            self.write_batches()
        self._write_state()

    def _write_state(self) -> None:
        self.before_state()
        self._base_tap.state_writer.write_state(self.tap_state)
        self._base_tap.writer.flush()

    def set_version(self, version: int | None) -> None:
        """Set the version that RECORD messages carry, None for none."""
        self._rows_version = version

    def write_activate_version(self) -> None:
        """Emit ACTIVATE_VERSION for the version of the stream."""
        if self._rows_version is None:
            return
        for stream_map in self.stream_maps:
            if not isinstance(stream_map, RemoveRecordTransform):
                name, version = stream_map.stream_alias, self._rows_version
                self._base_tap.writer.write_message(
                    ActivateVersionMessage(stream=name, version=version)
                )

    def write_batches(self) -> None:
        """Write a BATCH message for the records that are in none yet."""
        if self._batcher is None:
            return
        for manifest in self._batcher.get_batches(iter(self._batched)):
            self._write_batch_message(self._batcher.batch_config.encoding, manifest)
        self._batched = []

    @cached_property
    def _batcher(self) -> Batcher | None:
        config = self.get_batch_config(self.config)
        return Batcher(self.tap_name, self.name, config) if config else None

    @override
    def _write_schema_message(self) -> None:
        # The SDK writes it when a stream begins. Actors are written before that.
        if not self._has_schema:
            self._has_schema = True
            super()._write_schema_message()

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Record]:
        # The SDK's loop handles one record at a time: it looks for deselected fields
        # and wrong types, as `records` has done already, moves a bookmark that does not
        # suit this API, and flushes. Together that takes longer than all else.
        if self.ABORT_AT_RECORD_COUNT is not None:
            self.dry_run(self.ABORT_AT_RECORD_COUNT)
            return
        with self.get_sync_timer():
            try:
                for name, counts in self.passes():
                    self._count(name, counts)
            except Terminated:
                self._base_tap.writer.repeat_state()
                raise
        yield from ()

    def _count(self, name: str, counts: Iterator[int]) -> None:
        """Carry out a pass, and count its records and requests for the metrics."""
        with (
            self.get_record_counter() as records,
            self.get_http_request_counter() as requests,
        ):
            records.tags["pass"] = requests.tags["pass"] = name
            try:
                for count in counts:
                    records.increment(count)
                    requests.increment(self.requests_sent - self._requests_counted)
                    self._requests_counted = self.requests_sent
            finally:
                requests.increment(self.requests_sent - self._requests_counted)
                self._requests_counted = self.requests_sent

    @override
    def _sync_batches(
        self, batch_config: BatchConfig, context: Context | None = None
    ) -> None:
        # The SDK's writes STATE for rows that are read, but not in a file yet.
        for _ in self._sync_records(context):
            pass
        self.write_batches()
        self._write_state()

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        # The SDK would keep it in the state. It only caps bookmarks of its own.
        return None

    @override
    def log(
        self,
        message: str,
        *args: t.Any,
        level: int = logging.INFO,
        **kwargs: t.Any,
    ) -> None:
        # `sync` reports an error that is on its way to the command, which reports it as
        # well, with its remedy.
        on_its_way = level == logging.ERROR and sys.exc_info()[1] is not None
        super().log(
            message, *args, level=logging.DEBUG if on_its_way else level, **kwargs
        )
