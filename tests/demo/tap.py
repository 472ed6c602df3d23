"""The tap of the demo: the real command, with a fake HubSpot.

The fake HubSpot runs in a thread of the same process, so it ends with the process.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path

from singer_sdk.metrics import Metric, Point, get_metrics_logger
from typing_extensions import override

from tap_hubspot_threads.tap import TapHubSpotThreads
from tests.demo.account import Run, account_on
from tests.fake_hubspot import FakeHubSpot

TOKEN = "a-token-for-the-demo"
WITHOUT_HUBSPOT = {"--about", "--discover", "--help", "--version"}


class RowsWritten(logging.Filter):
    """Adds up the SDK's metric of rows for threads, and keeps metrics out of the log.

    Meltano's plain log would only show the word METRIC, without the figures.
    """

    total = 0

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        points = record.args if isinstance(record.args, tuple) else ()
        for point in points:
            if (
                isinstance(point, Point)
                and point.metric == Metric.RECORD_COUNT
                and point.tags["stream"] == "threads"
            ):
                self.total += int(point.value)
        return not points


def main() -> None:
    """Run the tap with the given arguments on an account that has moved on by a day."""
    arguments = sys.argv[1:]
    if not WITHOUT_HUBSPOT.isdisjoint(arguments):
        TapHubSpotThreads.cli(arguments)
    written = RowsWritten()
    get_metrics_logger().addFilter(written)
    last = Run.last()
    run = Run(day=last.day + 1 if last else 0)
    run.save()
    with (
        FakeHubSpot(account_on(run.day), token=TOKEN) as hubspot,
        tempfile.TemporaryDirectory() as folder,
    ):
        config = Path(folder, "config.json")
        settings = {
            "access_token": TOKEN,
            "api_url": hubspot.url,
            "max_retry_seconds": 10,  # waiting would not help here
        }
        config.write_text(json.dumps(settings))
        try:
            # If there are several files, settings in the last one win.
            TapHubSpotThreads.cli([*arguments, "--config", str(config)])
        finally:
            run.requests = len(hubspot.requests)
            run.written = written.total
            run.save()
