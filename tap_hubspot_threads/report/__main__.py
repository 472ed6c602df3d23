"""Starts the command ``hubspot-threads-report``."""

from __future__ import annotations

import sys

MISSING = "The report needs more packages: pip install 'tap-hubspot-threads[report]'"


def main() -> None:
    """Run the command, or say what to install."""
    try:
        from tap_hubspot_threads.report import cli  # noqa: PLC0415
    except ModuleNotFoundError as error:
        sys.exit(f"{MISSING} ({error})")
    cli.main()


if __name__ == "__main__":
    main()
