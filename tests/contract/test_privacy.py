"""Nothing of a customer's is in a table, and nothing is printed where a probe fails."""

from __future__ import annotations

import typing as t

import pytest

from tests.contract.client import TOKEN, URL, ReadOnlyClient
from tests.contract.facts import FACTS, read_all
from tests.contract.readings import table
from tests.contract.running import (
    LOUD,
    SECRET,
    assert_nothing_private,
    assert_only_reads,
    run_live,
)
from tests.contract.summary import FILE
from tests.contract.survey import Survey
from tests.fake_hubspot import Account, FakeHubSpot, Fault, Shape
from tests.fake_hubspot.errors import RefusalError
from tests.support.harness import captured_log

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.harness import StillClock

CANARY = "the-words-of-a-customer"


def everything(change: Callable[[str], t.Any]) -> Fault:
    """Return a fault that changes every text of a proper answer."""

    def changed(value: t.Any) -> t.Any:
        if isinstance(value, dict):
            return {key: changed(each) for key, each in value.items()}
        if isinstance(value, list):
            return [changed(each) for each in value]
        return change(value) if isinstance(value, str) else value

    def edit(body: dict[str, t.Any]) -> None:
        body.update(changed(body))

    return Fault.edited(edit)


def refusal(status: int) -> Fault:
    """Return a refusal that quotes a customer everywhere."""
    said = {"message": CANARY, "code": CANARY, "context": {CANARY: [CANARY]}}
    return Fault.refusal(
        RefusalError(status, CANARY, CANARY, errors=[said], context={CANARY: [CANARY]})
    )


def rows_of(*rows: t.Any) -> Fault:
    """Return a page of some rows."""
    return Fault.json({"results": list(rows), "paging": {"next": {"after": CANARY}}})


HOSTILE: dict[str, Fault] = {
    "texts": everything(lambda _: CANARY),
    "texts around": everything(lambda text: f"{text} {CANARY}"),
    "numbers": everything(lambda _: 7),
    "nested": everything(lambda _: {CANARY: [CANARY]}),
    "rows that are texts": rows_of(CANARY, [CANARY]),
    "fields": rows_of({CANARY: CANARY, "id": CANARY, f"{CANARY} of": {}}),
    "no page": Fault.json({"results": CANARY}),
    "paging": Fault.json({"results": [], "paging": {"next": {"after": [CANARY]}}}),
    "400": refusal(400),
    "403": refusal(403),
    "404": refusal(404),
    "429": refusal(429),
    "500": refusal(500),
    "redirect": Fault.redirect(f"https://{CANARY}.example/{CANARY}"),
    "headers": Fault.status(
        200,
        b'{"results": []}',
        {
            "Date": CANARY,
            "X-HubSpot-RateLimit-Max": CANARY,
            "X-HubSpot-RateLimit-Daily": CANARY,
            "Set-Cookie": f"{CANARY}={CANARY}",
        },
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_is_free_of_words_whatever_is_answered(
    clock: StillClock, name: str
) -> None:
    """Neither the table nor an error that a probe meets quotes a response."""
    with FakeHubSpot(Account(300, shape=Shape(archived=0.1))) as hubspot:
        hubspot.faults.add(HOSTILE[name], on="any")
        client = ReadOnlyClient(hubspot.url, hubspot.token)
        with captured_log() as log:
            readings = read_all(Survey(client))
        client.close()
    text = table(readings)
    assert len(readings) == len(FACTS)
    assert CANARY not in text
    loggers = {line.split(" | ")[2].strip() for line in log.getvalue().splitlines()}
    assert loggers <= {"asyncio", "urllib3.connectionpool", "urllib3.connection"}
    assert_only_reads(hubspot.requests)


def test_a_failing_run_prints_nothing_private(tmp_path: Path) -> None:
    """Not even with every option that makes pytest show more of a failure."""
    shape = Shape.awkward(archived=0.1, items=6.0)
    quick = [HOSTILE[name] for name in HOSTILE if name not in {"429", "500"}]
    faults = [*quick, *(Fault.html(), Fault.reset(), Fault.half_json())]
    report, xml = tmp_path / "report.md", tmp_path / "report.xml"
    with FakeHubSpot(Account(400, shape=shape), token=SECRET) as hubspot:
        hubspot.faults.add(HOSTILE["no page"], on="channels")
        hubspot.faults.add(*faults, since=2, probability=0.3, on="any", times=60)
        env = {URL: hubspot.url, FILE: str(report), TOKEN: SECRET}
        done = run_live(*LOUD, f"--junit-xml={xml}", **env)
    assert done.returncode == 1, done.stdout
    assert "failed: " in done.stdout
    for text in (done.stdout, report.read_text(), xml.read_text()):
        assert_nothing_private(text, hubspot, CANARY)
    assert_only_reads(hubspot.requests)
