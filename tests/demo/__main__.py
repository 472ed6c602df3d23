"""Run the demo and print its report: ``python3 tests/demo``. No setup is needed."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

    from tests.support import bootstrap

    loaded = [bootstrap.ROOT / "demo.duckdb", bootstrap.ROOT / "demo.json"]
    arguments = sys.argv[1:]
    if not all(path.exists() for path in loaded):
        # Meltano's state would refer to rows that do not exist (any more).
        for path in loaded:
            path.unlink(missing_ok=True)
        arguments.append("--full-refresh")
    bootstrap.run(
        "meltano",
        "--environment=dev",
        "run",
        *arguments,
        "demo",
        env={
            "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
            "MELTANO_CLI_LOG_CONFIG": "tests/demo/logging.yaml",
        },
    )
