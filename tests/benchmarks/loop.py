"""The loop that one would write by hand: `requests`, `json`, `print`.

Usage: python -m tests.benchmarks.loop URL TOKEN [SINCE]
"""

from __future__ import annotations

import json
import sys

import requests

PATH = "/conversations/conversations/2026-09-beta/threads"


def main(url: str, token: str, since: str = "1970-01-01T00:00:00Z") -> None:
    """Print all threads with a message since then, one JSON object per line."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    params = {
        "limit": "500",
        "association": "TICKET",
        "sort": "latestMessageTimestamp",
        "latestMessageTimestampAfter": since,
    }
    while True:
        response = session.get(url + PATH, params=params, timeout=60)
        response.raise_for_status()
        body = json.loads(response.text)
        for row in body["results"]:
            print(json.dumps(row))
        if "paging" not in body:
            break
        params["after"] = body["paging"]["next"]["after"]


if __name__ == "__main__":
    main(*sys.argv[1:])
