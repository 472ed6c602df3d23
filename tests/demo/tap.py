"""The tap of the demo: the real command, with a fake HubSpot.

The fake HubSpot runs in a thread of the same process, so it ends with the process.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import typing as t
from collections import Counter
from pathlib import Path

from singer_sdk.metrics import Metric, Point, get_metrics_logger
from typing_extensions import override

from tap_hubspot_threads.tap import TapHubSpotThreads
from tests.demo.account import Run, account_on
from tests.fake_hubspot import FakeHubSpot

TOKEN = "a-token-for-the-demo"
WITHOUT_HUBSPOT = {"--about", "--discover", "--help", "--version"}


class RowsWritten(logging.Filter):
    """Adds up the SDK's metric of rows by stream, and keeps metrics out of the log.

    Meltano's plain log would only show the word METRIC, without the figures.
    """

    def __init__(self) -> None:
        """Start with no rows."""
        super().__init__()
        self.total: Counter[str] = Counter()

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        points = record.args if isinstance(record.args, tuple) else ()
        for point in points:
            if isinstance(point, Point) and point.metric == Metric.RECORD_COUNT:
                self.total[point.tags["stream"]] += int(point.value)
        return not points


def main() -> None:
    """Run the tap with the given arguments on an account that has moved on by a day."""
    arguments = sys.argv[1:]
    settings = {
        "access_token": TOKEN,
        "include_messages": True,
        "max_retry_seconds": 10,  # waiting would not help here
    }
    if not WITHOUT_HUBSPOT.isdisjoint(arguments):
        _run(arguments, settings)
        return
    written = RowsWritten()
    get_metrics_logger().addFilter(written)
    last = Run.last()
    run = Run(day=last.day + 1 if last else 0)
    run.save()
    with FakeHubSpot(account_on(run.day), token=TOKEN) as hubspot:
        try:
            _run(arguments, settings | {"api_url": hubspot.url})
        finally:
            run.requests = len(hubspot.requests)
            run.written = written.total["threads"]
            run.messages = written.total["messages"]
            run.save()


def _run(arguments: list[str], settings: dict[str, t.Any]) -> None:
    """Run the tap, with settings that win over those of other files."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.json")
        config.write_text(json.dumps(settings))
        TapHubSpotThreads.cli([*arguments, "--config", str(config)])
