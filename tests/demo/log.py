"""The format of Meltano's log in the demo (see ``logging.yaml``).

Meltano's own format for this, ``plain``, fails on events of other packages and leaves
out the cause of a failure (4.4.1).
"""

from __future__ import annotations

import typing as t

from structlog.stdlib import ProcessorFormatter, add_log_level

if t.TYPE_CHECKING:
    from collections.abc import MutableMapping


def lines() -> ProcessorFormatter:
    """Return the formatter."""
    return ProcessorFormatter(processor=_line, foreign_pre_chain=[add_log_level])


def _line(_logger: object, _method: str, event: MutableMapping[str, t.Any]) -> str:
    level = "" if event["level"] == "info" else f"{event['level']}: "
    cause = f": {event['err']}" if event.get("err") else ""
    return f"{level}{event['event']}{cause}"
