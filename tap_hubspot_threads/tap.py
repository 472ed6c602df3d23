"""The tap: its settings, its streams and its command line."""

from __future__ import annotations

import io
import json
import sys
import typing as t
from functools import cached_property

from singer_sdk.cli import plugin_cli
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.singerlib import Catalog, Metadata
from typing_extensions import override

from tap_hubspot_threads import settings, validation
from tap_hubspot_threads.actors import ActorsStream
from tap_hubspot_threads.cli import TapCommand
from tap_hubspot_threads.client import HubSpotClient
from tap_hubspot_threads.concurrency import WorkerPool
from tap_hubspot_threads.directory import (
    ChannelAccountsStream,
    ChannelsStream,
    InboxesStream,
)
from tap_hubspot_threads.errors import HubSpotError
from tap_hubspot_threads.messages import MessagesStream
from tap_hubspot_threads.sdk import BaseTap
from tap_hubspot_threads.state import readable
from tap_hubspot_threads.threads import ThreadsStream

if t.TYPE_CHECKING:
    import click
    from singer_sdk import Stream

    from tap_hubspot_threads.errors import RequestRefused
    from tap_hubspot_threads.streams import HubSpotStream

STREAMS: tuple[type[HubSpotStream], ...] = (
    ThreadsStream,
    InboxesStream,
    ChannelsStream,
    ChannelAccountsStream,
    MessagesStream,
    ActorsStream,
)
"""In the order in which they are read: the most important first, and last the one that
holds whom the others mention."""


class TapHubSpotThreads(BaseTap):
    """Singer tap for the conversation threads of a HubSpot account."""

    name = "tap-hubspot-threads"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = settings.SETTINGS.to_dict()

    def __init__(self, **arguments: t.Any) -> None:  # noqa: ANN401
        """Take what the SDK's `Tap` takes, except for paths.

        Raises:
            ConfigValidationError: If the settings, the catalog or the state are
                unusable.
        """
        for name in ("catalog", "state"):
            if not isinstance(arguments.get(name), dict | Catalog | None):
                raise _unusable(f"The file given by --{name} is not a JSON object")
        catalog = arguments.get("catalog")
        if isinstance(catalog, dict):
            try:
                arguments["catalog"] = _read_catalog(catalog)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                msg = (
                    "The file given by --catalog is not a Singer catalog; make one "
                    "with --discover"
                )
                raise _unusable(msg) from error
        self.refusals: dict[str, RequestRefused] = {}
        self.unread: dict[str, HubSpotError] = {}
        super().__init__(**arguments)

    @cached_property
    def client(self) -> HubSpotClient:
        """The one client of all streams."""
        return HubSpotClient(self.config, self.logger)

    @cached_property
    def pool(self) -> WorkerPool:
        """The threads of all streams."""
        return WorkerPool(self.config["max_parallel_requests"])

    @cached_property
    def actors(self) -> ActorsStream | None:
        """The stream of that name, if it is selected."""
        stream = self.streams["actors"]
        return t.cast("ActorsStream", stream) if stream.selected else None

    @property
    @override
    def streams(self) -> dict[str, Stream]:
        # The SDK sorts them by name.
        streams = super().streams.values()
        in_order = sorted(streams, key=lambda stream: STREAMS.index(type(stream)))
        return {stream.name: stream for stream in in_order}

    @override  # type: ignore[misc]  # final, but without a hook for its end
    def sync_all(self) -> None:
        with self.pool:
            super().sync_all()
        refused = {f"`{name}`": error for name, error in self.refusals.items()}
        missing: dict[str, HubSpotError] = {**refused, **self.unread}
        if missing:
            error = next(iter(missing.values()))
            msg = f"The run continued without {' and '.join(missing)}: {error}"
            if refused:
                msg += f"; or deselect {' and '.join(refused)} in the catalog"
            raise HubSpotError(msg)

    @override
    def discover_streams(self) -> list[HubSpotStream]:
        return [
            stream(self)
            for stream in STREAMS
            if stream is not MessagesStream or self.config.get("include_messages")
        ]

    @override
    def load_state(self, state: dict[str, t.Any]) -> None:
        super().load_state(readable(state, self.logger))

    @override
    def check_settings(self, config: dict[str, t.Any]) -> list[str]:
        schema = self.settings_schema()
        for name in validation.unknown(config, schema):
            self.logger.warning("Ignoring unknown setting `%s`", name)
        return validation.complete(config, schema)

    @override
    @classmethod
    def cb_config(cls, *arguments: t.Any, **more: t.Any) -> t.Any:
        try:
            return super().cb_config(*arguments, **more)
        except (RuntimeError, TypeError, ValueError) as error:
            raise _unusable(_not_json("config", error)) from error

    @override
    @classmethod
    def invoke(
        cls,
        *,
        state: t.IO[str] | None = None,
        catalog: t.IO[str] | None = None,
        **more: t.Any,
    ) -> None:
        super().invoke(
            state=_checked("state", state), catalog=_checked("catalog", catalog), **more
        )

    @override
    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805
        # There is no command yet that could report it in one line.
        try:
            return super().cli
        except Exception as error:  # noqa: BLE001 - whatever a logging file may hold
            sys.exit(
                f"Cannot set up logging ({error}): check the variables LOGLEVEL, "
                "TAP_HUBSPOT_THREADS_LOGLEVEL and SINGER_SDK_LOG_CONFIG"
            )

    @override
    @classmethod
    def get_singer_command(cls) -> click.Command:
        return TapCommand.wrap(super().get_singer_command(), cls.logger)


def _read_catalog(content: dict[str, t.Any]) -> Catalog:
    if not isinstance(content["streams"], list):
        raise TypeError
    catalog = Catalog.from_dict(content)
    keys = {stream.endpoint: stream.always_selected for stream in STREAMS}
    for entry in catalog.streams:
        if entry.stream != entry.tap_stream_id:
            raise ValueError
        # Targets drop a row without its key, whatever the catalog says.
        for name in keys.get(entry.tap_stream_id, ()):
            if field := entry.metadata.get(("properties", name)):
                field.inclusion = Metadata.InclusionType.AUTOMATIC
    return catalog


def _checked(name: str, file: t.IO[str] | None) -> t.IO[str] | None:
    """Return the content of a file, which is JSON."""
    if file is None:
        return None
    try:
        text = file.read()
        if not text.strip():
            msg = f"The file given by --{name} is empty, not JSON; run without it"
            raise _unusable(msg)
        json.loads(text)
    except ValueError as error:
        raise _unusable(_not_json(name, error)) from error
    return io.StringIO(text)


def _not_json(name: str, error: Exception) -> str:
    line = getattr(error, "lineno", None)
    if line is not None:
        return f"The file given by --{name} is not JSON, see line {line}"
    if isinstance(error, UnicodeDecodeError):
        return f"The file given by --{name} is not JSON, because it is not UTF-8 text"
    return f"The file given by --{name} is not a JSON object"


def _unusable(problem: str) -> ConfigValidationError:
    msg = "A file cannot be used"
    return ConfigValidationError(msg, errors=[problem])
