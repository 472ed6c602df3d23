"""The command line: how a run ends, and the one line that says why."""

from __future__ import annotations

import contextlib
import gc
import logging
import sys
import traceback
import typing as t
from pathlib import Path

import click
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.plugin_base import SingerCommand
from typing_extensions import override

from tap_hubspot_threads import signals
from tap_hubspot_threads.output import abandon

if t.TYPE_CHECKING:
    from collections.abc import Iterator


class TapCommand(SingerCommand):
    """The SDK's command, which ends every failing run with one line on stderr.

    A traceback is shown at log level DEBUG only. Exit codes: 0 for a complete run, 1
    for a failed one, 2 for wrong command-line options, and 128 plus its number for a
    signal.
    """

    @classmethod
    def wrap(cls, command: click.Command, logger: logging.Logger) -> TapCommand:
        """Return the same command with this class's way to end."""
        return cls(
            name=command.name,
            callback=command.callback,
            params=command.params,
            help=command.help,
            context_settings=command.context_settings,
            logger=logger,
        )

    @override
    def main(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        # It logs response headers that it cannot parse, with a traceback.
        logging.getLogger("urllib3.connection").setLevel(logging.ERROR)
        if sys.stdout is None:
            self.logger.error("The output is closed, so there is nowhere to write to")
            sys.exit(1)
        try:
            with signals.owned(), self._reporting_signals():
                return super().main(*args, **kwargs)
        except ConfigValidationError as error:
            for problem in error.errors:
                self.logger.error("%s", problem)  # noqa: TRY400 - no traceback
        except Exception as error:
            in_full = error if self.logger.isEnabledFor(logging.DEBUG) else None
            self.logger.error("%s", _one_line(error), exc_info=in_full)  # noqa: TRY400
        _abandon_stdout()
        sys.exit(1)

    @contextlib.contextmanager
    def _reporting_signals(self) -> Iterator[None]:
        try:
            yield
        except signals.Terminated as stop:
            self.logger.warning(
                "Stopped by %s; the next run resumes from the last STATE", stop.name
            )
            raise

    @override
    def invoke(self, ctx: click.Context) -> t.Any:
        # Not the parent's: it adds a line that names nothing to wrong settings, and
        # leaves everything else to an excepthook with a traceback.
        logging.captureWarnings(capture=True)
        # What has been imported stays. Looking through it again and again would take a
        # tenth of a run's time.
        gc.freeze()
        try:
            return click.Command.invoke(self, ctx)
        except BrokenPipeError:
            self.logger.error(  # noqa: TRY400 - no traceback
                "The target closed its input before the run was complete; see its log"
            )
            _abandon_stdout()
            ctx.exit(1)
        finally:
            gc.unfreeze()


def _one_line(error: Exception) -> str:
    if isinstance(error, SingerSDKError | FileNotFoundError):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        return f"Cannot use {error.filename or 'the output'}: {error.strerror}"
    # Not the message: that of an unforeseen error may quote anything.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}. "
        "This is a bug; set LOGLEVEL=DEBUG for the traceback, and please report it"
    )


def _abandon_stdout() -> None:
    """Keep the interpreter from failing again when it flushes stdout at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        abandon(sys.stdout)
