"""The private names of singer-sdk that this tap relies on, all of them.

For each there is no public seam in singer-sdk 0.54; ``tests/test_sdk.py`` fails when
one of them changes its name or its parameters.
"""

from __future__ import annotations

import copy
import datetime as dt
import logging
import sys
import typing as t

from singer_sdk import RESTStream, Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.mapper import SameRecordTransform
from typing_extensions import TypeVar, override

from tap_hubspot_threads.signals import Terminated
from tap_hubspot_threads.writer import PageWriter

if t.TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from types import FrameType

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.io_base import GenericSingerWriter

Token = TypeVar("Token")


class SeamedTap(Tap):
    """A tap that checks its settings itself and leaves signals to the command."""

    message_writer_class: type[GenericSingerWriter[t.Any, t.Any]] = PageWriter

    @property
    def writer(self) -> PageWriter:
        """What writes the messages."""
        return t.cast("PageWriter", self.message_writer)

    def check_settings(self, config: dict[str, t.Any]) -> list[str]:
        """Complete the settings in place and return a line for each that is wrong."""
        raise NotImplementedError

    @classmethod
    def settings_schema(cls) -> dict[str, t.Any]:
        """Return the JSON schema of all settings, the SDK's own included."""
        schema = copy.deepcopy(cls.config_jsonschema)
        cls.append_builtin_config(schema)
        return schema

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        # The SDK's messages quote the value, which may be a secret, and name neither
        # setting nor remedy.
        problems = self.check_settings(self._config)
        if problems and raise_errors:
            msg = "Config validation failed"
            raise ConfigValidationError(msg, errors=problems)
        return problems

    @override
    @classproperty
    def _env_var_config(cls) -> dict[str, t.Any]:  # noqa: N805
        # The SDK ends with a traceback at a number that is none, and leaves
        # fractions as text; read as text here, they are converted with the check.
        names = cls.settings_schema()["properties"]
        as_text = {"properties": {name: {"type": "string"} for name in names}}
        values = parse_environment_config(as_text, cls._env_var_prefix)
        # An empty variable must not hide what a file says.
        return {name: value for name, value in values.items() if value.strip()}

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        # The SDK writes STATE from within the handler, where a message may be
        # half written, and exits with 0. Raising unwinds to the command, which
        # writes STATE between two messages.
        raise Terminated(
            signum, write_state=lambda: self.state_writer.write_state(self.state)
        )


class SeamedStream(RESTStream[Token], t.Generic[Token]):
    """A stream that keeps its own bookmark and writes STATE when it decides to."""

    def __init__(self, tap: SeamedTap, *, path: str) -> None:
        """Attach to the tap."""
        super().__init__(tap, path=path)
        self._writes_batches = bool(self.config.get("batch_config"))
        self.writer = tap.writer
        self.written = 0
        """How many records have been written."""
        self.extracted_at = dt.datetime.now(dt.UTC)
        """When the rows came from HubSpot that are being written."""

    def get_pages(self, context: Context | None) -> Iterable[list[Record]]:
        """Return the records of the stream or of one of its partitions, by pages.

        A page has been written when the next one is asked for.
        """
        raise NotImplementedError

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for page in self.get_pages(context):
            yield from page
            self.written += len(page)

    def write_state(self) -> None:
        """Write a STATE message with what the state is now, unless it was just written.

        The SDK writes one every `STATE_MSG_FREQUENCY` records, which is not in step
        with the pages, and none after a page whose rows were all left out.
        """
        if self._writes_batches:
            return  # `_sync_batches` writes STATE when the rows are in a file
        self.state_manager.is_flushed = False
        self._write_state_message()

    def set_version(self, version: int | None) -> None:
        """Set the version that RECORD messages carry, None for none."""
        self._stream_version = version

    def write_activate_version(self) -> None:
        """Tell the target that the rows of earlier versions are no more."""
        if self._stream_version is not None:
            self._write_activate_version_message(self._stream_version)

    @override
    def log(
        self,
        message: str,
        *args: t.Any,
        level: int = logging.INFO,
        **kwargs: t.Any,
    ) -> None:
        # `sync` reports an error that is on its way to the command, which reports it
        # too, with its remedy.
        on_its_way = level == logging.ERROR and sys.exc_info()[1] is not None
        super().log(
            message, *args, level=logging.DEBUG if on_its_way else level, **kwargs
        )

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        # It would only cap the bookmark of an unsorted stream.
        return None

    @override
    def compare_start_date(self, value: str, start_date_value: str) -> str:
        # The SDK only logs the result for this stream, and dies of a bookmark that is
        # no date-time.
        try:
            return super().compare_start_date(value, start_date_value)
        except (TypeError, ValueError):
            return start_date_value

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Record]:
        # The SDK's loop makes an object of each record, looks in it for what is
        # deselected or of another type, as `rows` has done already, and flushes it;
        # together that takes longer than all else. This one goes by pages.
        if not write_messages or self.ABORT_AT_RECORD_COUNT is not None:
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        with self.get_record_counter() as counter, self.get_sync_timer() as timer:
            partitions: Sequence[Context | None] = self.partitions or (None,)
            for partition in partitions:
                counter.with_context(partition)
                timer.with_context(partition)
                for page in self.get_pages(partition):
                    self._write_page(page)
                    self.written += len(page)
                    counter.increment(len(page))
                self._finalize_state(self.get_context_state(partition))
        self._finalize_state(self.stream_state)
        self._write_state_message()

    def _write_page(self, page: list[Record]) -> None:
        for stream_map in self.stream_maps:
            records = page
            if (
                type(stream_map) is not SameRecordTransform
                or stream_map.flattening_enabled
            ):
                mapped = map(stream_map.transform, page)
                records = [record for record in mapped if record is not None]
            if records:
                self.writer.write_records(
                    stream_map.stream_alias,
                    records,
                    version=self._stream_version,
                    extracted_at=self.extracted_at,
                )
        self.state_manager.is_flushed = False

    @override
    def _process_record(
        self,
        record: Record,
        child_context: Context | None = None,
        partition_context: Context | None = None,
    ) -> None:
        # The SDK would add the partition's inbox to a row that is to be without it.
        # There are no child streams.
        del record, child_context, partition_context

    @override
    def _increment_stream_state(
        self, latest_record: Record, *, context: Context | None = None
    ) -> None:
        # The SDK's bookmark dies of a missing key, follows rows that are older or in
        # the future, and counts a row before it is known that those after it are not
        # older. See `bookmark`.
        del latest_record, context
