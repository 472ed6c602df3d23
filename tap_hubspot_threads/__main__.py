"""The command ``tap-hubspot-threads``, or ``python -m tap_hubspot_threads``."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the tap.

    The imports take half a second. A signal that arrives by then ends the process
    silently instead of with a traceback.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    from tap_hubspot_threads.tap import TapHubSpotThreads  # noqa: PLC0415

    TapHubSpotThreads.cli()


if __name__ == "__main__":
    main()
