"""The tap: its settings, its streams and its command line."""

from __future__ import annotations

import typing as t

from singer_sdk.contrib.msgspec import MsgSpecWriter
from typing_extensions import override

from tap_hubspot_threads import bookmark, settings
from tap_hubspot_threads.command import TapCommand
from tap_hubspot_threads.sdk import SeamedTap
from tap_hubspot_threads.streams import ThreadsStream

if t.TYPE_CHECKING:
    import click
    from singer_sdk.io_base import GenericSingerWriter


class TapHubSpotThreads(SeamedTap):
    """Singer tap for the conversation threads of a HubSpot account."""

    name = "tap-hubspot-threads"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = settings.SETTINGS.to_dict()
    message_writer_class: type[GenericSingerWriter[t.Any, t.Any]] = MsgSpecWriter

    @override
    def discover_streams(self) -> list[ThreadsStream]:
        return [ThreadsStream(self)]

    @override
    def load_state(self, state: dict[str, t.Any]) -> None:
        super().load_state(bookmark.readable(state, self.logger))

    @override
    def check_settings(self, config: dict[str, t.Any]) -> list[str]:
        schema = self.settings_schema()
        for name in settings.unknown(config, schema):
            self.logger.warning("`%s` is no setting of this tap; left out", name)
        return settings.complete(config, schema)

    @override
    @classmethod
    def get_singer_command(cls) -> click.Command:
        return TapCommand.wrap(super().get_singer_command(), cls.logger)
