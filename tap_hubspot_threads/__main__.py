"""Run the tap as ``python -m tap_hubspot_threads``."""

from __future__ import annotations

from tap_hubspot_threads.tap import TapHubSpotThreads

if __name__ == "__main__":
    TapHubSpotThreads.cli()
