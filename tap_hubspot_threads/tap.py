"""The tap: its settings, its streams and its command line."""

from __future__ import annotations

import sys
import typing as t

from singer_sdk.cli import plugin_cli
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.singerlib import Catalog, Metadata
from typing_extensions import override

from tap_hubspot_threads import bookmark, settings
from tap_hubspot_threads.command import TapCommand
from tap_hubspot_threads.sdk import SeamedTap
from tap_hubspot_threads.streams import ThreadsStream

if t.TYPE_CHECKING:
    import click


class TapHubSpotThreads(SeamedTap):
    """Singer tap for the conversation threads of a HubSpot account."""

    name = "tap-hubspot-threads"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = settings.SETTINGS.to_dict()

    def __init__(self, **arguments: t.Any) -> None:  # noqa: ANN401
        """Take what the SDK's `Tap` takes, except for paths.

        Raises:
            ConfigValidationError: If the settings, the catalog or the state cannot be
                run with.
        """
        problems = [
            f"The file given by --{name} does not hold a JSON object"
            for name in ("catalog", "state")
            if not isinstance(arguments.get(name), dict | Catalog | None)
        ]
        catalog = arguments.get("catalog")
        if isinstance(catalog, dict):
            try:
                arguments["catalog"] = _catalog(catalog)
            except (AttributeError, KeyError, TypeError, ValueError):
                problems.append(
                    "The file given by --catalog is no Singer catalog; make one with "
                    "--discover"
                )
        if problems:
            msg = "A file cannot be used"
            raise ConfigValidationError(msg, errors=problems)
        super().__init__(**arguments)

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
    def cb_config(cls, *arguments: t.Any, **more: t.Any) -> t.Any:
        try:
            return super().cb_config(*arguments, **more)
        except (TypeError, ValueError) as error:
            if hasattr(error, "lineno") or isinstance(error, UnicodeDecodeError):
                raise  # no JSON at all
            msg = "A file cannot be used"
            problem = "The file given by --config does not hold a JSON object"
            raise ConfigValidationError(msg, errors=[problem]) from error

    @override
    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805
        # There is no command yet that would tell it in one line.
        try:
            return super().cli
        except ValueError as error:
            sys.exit(
                f"Logging cannot be set up ({error}): check the variables LOGLEVEL, "
                "TAP_HUBSPOT_THREADS_LOGLEVEL and SINGER_SDK_LOG_CONFIG"
            )

    @override
    @classmethod
    def get_singer_command(cls) -> click.Command:
        return TapCommand.wrap(super().get_singer_command(), cls.logger)


def _catalog(content: dict[str, t.Any]) -> Catalog:
    if not isinstance(content["streams"], list):
        raise TypeError
    catalog = Catalog.from_dict(content)
    for entry in catalog.streams:
        # A row without its key is lost on the way, whatever a catalog says.
        for name in ThreadsStream.KEYS:
            if field := entry.metadata.get(("properties", name)):
                field.inclusion = Metadata.InclusionType.AUTOMATIC
    return catalog
