"""The report: what it prints, and the page it writes, opened in a real browser."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import io
import itertools
import json
import math
import os
import re
import subprocess
import sys
import typing as t

import duckdb
import pytest

from tap_hubspot_threads.report import cli, console, page
from tap_hubspot_threads.report.contents import Report
from tap_hubspot_threads.report.metrics import COLUMNS, GROUPS, NAMES, Metric
from tap_hubspot_threads.report.warehouse import NothingToReport, Warehouse
from tests.fake_hubspot import Account, Shape
from tests.support import duckdb_file, picture
from tests.support.bootstrap import ROOT
from tests.support.browser import Chromium
from tests.support.readme import PAGES, block

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

in_a_browser = pytest.mark.xdist_group("browser")
"""Marks the tests that share a browser, so that one process runs them."""

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SCRIPT = "<script>document.title='changed'</script>"
IMAGE = "\"'><img src=//example.com/x.png onerror=\"document.title='changed'\">"
NONE = "\N{EN DASH}"
STYLE = "</title></svg></style><style>*{display:none}</style>{{ 7 * 7 }}"
LONG = (
    "An inbox with a name that is much longer than names of inboxes usually are, 窓口"
)
AGENT = f"Ann {SCRIPT}"


@pytest.fixture(scope="module")
def account() -> Account:
    """Make an account with names that would do harm if they were not escaped."""
    account = Account(size=400, seed=5, now=NOW, shape=Shape(visitor_assignees=0.1))
    directory = account.directory
    inboxes = [row["id"] for row in directory.inbox_rows()]
    for number, inbox in enumerate(inboxes):
        names = (SCRIPT, IMAGE, STYLE, LONG)
        directory.rename_inbox(inbox, names[number] if number < 4 else f"N {number}")
    for row in directory.channel_rows():
        directory.add_channel(row["id"], f"Channel {row['id']} & <b>co</b>")
    agents = [row["id"] for row in directory.actor_rows() if row["type"] == "AGENT"]
    for number, agent in enumerate(agents):
        directory.rename_actor(agent, AGENT if number == 0 else f"Agent {number}")
    for row in directory.actor_rows():
        if row["type"] in {"BOT", "INTEGRATOR", "LLM"}:
            directory.rename_actor(row["id"], f"Machine {row['id']}")
    return account


@pytest.fixture(scope="module")
def warehouse(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Load the account, with the customers among the actors."""
    path = tmp_path_factory.mktemp("report") / "warehouse.duckdb"
    duckdb_file.load(path, account, customers=True)
    return path


@dataclasses.dataclass
class Made:
    """What the command printed and wrote."""

    printed: str
    html: Path


def make(path: Path, *arguments: str) -> Made:
    """Run the report in this process, at the time of the account."""
    html = path.with_name("report.html")
    with (
        Warehouse(str(path), *arguments) as opened,
        contextlib.redirect_stdout(io.StringIO()) as printed,
    ):
        cli.publish(opened, NOW, str(html))
    return Made(printed.getvalue(), html)


@pytest.fixture(scope="module")
def made(warehouse: Path) -> Made:
    return make(warehouse)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Chromium.find().run() as browser:
        yield browser


@dataclasses.dataclass
class Seen:
    """What a reader finds on the page, and what the browser noticed.

    Attributes:
        noticed: Messages on the console, errors and requests.
        title: The title of the window.
        width: The width of everything on the page.
        elements: How many elements there are of each kind.
        headlines: The numbers at the top.
        charts: What MEASURE returns for each section.
    """

    noticed: list[str]
    title: str
    width: int
    elements: dict[str, int]
    headlines: dict[str, float]
    charts: dict[str, dict[str, t.Any]]


def look(browser: Browser, html: Path, scheme: t.Any) -> Seen:
    """Open the page and look at everything."""
    tab = browser.new_page(color_scheme=scheme, viewport={"width": 1140, "height": 900})
    noticed: list[str] = []
    tab.on("console", lambda message: noticed.append(f"console: {message.text}"))
    tab.on("pageerror", lambda error: noticed.append(f"error: {error}"))
    tab.on("request", lambda request: noticed.append(f"request: {request.url}"))
    tab.goto(html.as_uri())
    seen = Seen(
        noticed=noticed,
        title=tab.title(),
        width=tab.evaluate("document.documentElement.scrollWidth"),
        elements=tab.evaluate(COUNT),
        headlines=tab.evaluate(HEADLINES),
        charts={section["name"]: section for section in tab.evaluate(MEASURE)},
    )
    tab.close()
    return seen


@pytest.fixture(scope="module")
def seen(browser: Browser, made: Made) -> dict[str, Seen]:
    """Look at the page in both color schemes."""
    return {each: look(browser, made.html, each) for each in ("light", "dark")}


COUNT = """() => {
  const counts = {};
  for (const { localName } of document.querySelectorAll('*')) {
    counts[localName] = (counts[localName] ?? 0) + 1;
  }
  return counts;
}"""
HEADLINES = """() => Object.fromEntries(
  [...document.querySelectorAll('.headlines div')].map((cell) => [
    cell.querySelector('dt').textContent, Number(cell.querySelector('data').value)]))"""
MEASURE = """() => {
  const parse = (color) => color.match(/[0-9.]+/g).slice(0, 3).map((part) => {
    const c = part / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  const light = (color) => {
    const [r, g, b] = parse(color);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const box = (element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return { x, y, width, height };
  };
  return [...document.querySelectorAll('section')].map((section) => {
    const svg = section.querySelector('svg');
    const card = getComputedStyle(section).backgroundColor;
    const marks = [...svg.querySelectorAll('path:has(> title), path[fill-opacity]')];
    return {
      name: section.id,
      svg: box(svg),
      shapes: marks.map(box).filter((b) => b.width > 0 && b.height > 0).length,
      texts: [...svg.querySelectorAll('text')].map((text) => ({
        shown: [...(text.querySelector('tspan') ? text.children : [text])]
          .map((part) => part.textContent).join(' '),
        contrast: contrast(getComputedStyle(text).fill, card),
        ...box(text),
      })),
      card,
      words: ['h3', 'p', 'summary'].map((tag) =>
        contrast(getComputedStyle(section.querySelector(tag)).color, card)),
      titles: [...svg.querySelectorAll('title')].map((title) => title.textContent),
      rows: [...section.querySelectorAll('tbody tr')].map((row) =>
        [...row.children].map((cell) => [
          cell.textContent, cell.querySelector('data')?.value ?? null])),
      more: section.querySelector('table').closest('details').lastElementChild
        .textContent.match(/^And ([0-9,]+) more/)?.[1] ?? '0',
    };
  });
}"""


@in_a_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_is_drawn(seen: dict[str, Seen], made: Made, scheme: str) -> None:
    """Each metric has a chart with legible texts, and nothing else is requested."""
    look = seen[scheme]
    assert look.noticed == [f"request: {made.html.as_uri()}"]
    assert list(look.charts) == list(NAMES)
    assert look.width == 1140  # no part is wider than the window
    for name, chart in look.charts.items():
        svg = chart["svg"]
        assert svg["width"] > 600, name
        assert svg["height"] > 50, name
        assert chart["shapes"] > 0, name
        assert chart["texts"], name
        for text in chart["texts"]:
            assert svg["x"] <= text["x"], text
            assert text["x"] + text["width"] <= svg["x"] + svg["width"], text
            assert svg["y"] - 1 <= text["y"], text
            assert text["contrast"] > 4.5, text
            assert "…" not in text["shown"], text
        assert min(chart["words"]) > 4.5
    cards = {chart["card"] for chart in look.charts.values()}
    assert cards == {"rgb(255, 255, 255)" if scheme == "light" else "rgb(25, 33, 42)"}


@in_a_browser
def test_hostile_names_are_text(seen: dict[str, Seen]) -> None:
    """Names with markup appear as they are, in tables and charts, and do nothing."""
    look = seen["light"]
    assert look.title == "Conversation threads: hubspot in warehouse.duckdb"
    harmful = ("b", "base", "embed", "form", "iframe", "img", "object", "script")
    assert look.elements.keys().isdisjoint(harmful)
    assert look.elements["style"] == 1
    assert look.elements["svg"] == len(NAMES)
    chart = look.charts["time_to_resolution"]
    cells = [row[0][0] for row in chart["rows"]]
    assert {SCRIPT, IMAGE, STYLE, LONG} <= set(cells)
    # Long names are wrapped, so spaces can be anywhere.
    labels = {text["shown"].replace(" ", "") for text in chart["texts"]}
    assert {name.replace(" ", "") for name in cells} <= labels
    assert any(AGENT in title for title in look.charts["load_by_agent"]["titles"])


def expected(path: Path, name: str) -> list[dict[str, t.Any]]:
    """Run the file of a metric as a user does, at the time of the report."""
    sql = Metric.load(name).sql.replace("CURRENT_TIMESTAMP", f"TIMESTAMPTZ '{NOW}'")
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET search_path = 'hubspot'")
        result = connection.execute(sql)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def is_shown_as(value: t.Any, kind: str, text: str) -> bool:
    """Return whether a text says what a value is, as precisely as it is written."""
    if value is None:
        return text == NONE
    if kind in {"minutes", "hours"}:
        minutes = float(value) * (60 if kind == "hours" else 1)
        if text == "< 1 min":
            return 0 <= minutes < 1
        number, unit = text.replace(",", "").split(" ")
        factor = {"min": 1, "h": 60, "d": 1440}[unit]
        half = 0.5 / 10 ** len(number.partition(".")[2])
        return bool(abs(minutes / factor - float(number)) <= half * 1.0001)
    if kind == "share":
        return abs(float(text.removesuffix("%")) / 100 - float(value)) <= 0.000501
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    wanted = {
        "count": lambda: format(int(value), ","),
        "moment": lambda: format(value, "%Y-%m-%d %H:%M"),
        "weekday": lambda: days[value - 1],
        "hour": lambda: f"{value:02}:00",
    }
    return text == (wanted[kind]() if kind in wanted else str(value))


LEFT_TO_THE_TABLE = {"threads", "unanswered", "resolved"}
"""Columns that are not in each chart."""


@in_a_browser
@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_those_of_the_sql(
    seen: dict[str, Seen], warehouse: Path, name: str
) -> None:
    """Each cell shows the value of the query, and the chart shows the same numbers."""
    rows = expected(warehouse, name)
    chart = seen["light"].charts[name]
    assert rows
    assert len(chart["rows"]) + int(chart["more"]) == len(rows)
    drawn = " ".join([text["shown"] for text in chart["texts"]] + chart["titles"])
    for row, cells in zip(rows, chart["rows"], strict=False):
        for (column, value), (text, exact) in zip(row.items(), cells, strict=True):
            kind = COLUMNS[column].kind
            assert is_shown_as(value, kind, text), (column, value, text)
            if kind in {"count", "share", "minutes", "hours"}:
                assert exact == str(value)
                is_drawn = name != "waiting_now" and column not in LEFT_TO_THE_TABLE
                if is_drawn and value is not None:
                    assert text in drawn, (column, text)
    if name == "waiting_now":
        ages = [row["hours"] for row in rows]
        bounds = [0, 1, 4, 24, 7 * 24, 30 * 24, math.inf]
        groups = [
            sum(low <= age < high for age in ages)
            for low, high in itertools.pairwise(bounds)
        ]
        found = [int(title.rpartition(": ")[2]) for title in chart["titles"]]
        assert found == groups


@in_a_browser
def test_headlines(seen: dict[str, Seen], warehouse: Path) -> None:
    """The numbers at the top are sums of the metrics."""
    closed, answers = (
        expected(warehouse, "reopen_rate"),
        expected(warehouse, "never_answered"),
    )

    def total(rows: list[dict[str, t.Any]], column: str) -> float:
        return sum(float(row[column]) for row in rows)

    weeks = expected(warehouse, "first_response_by_week")[:-1]
    medians = [row["median_minutes"] for row in weeks if row["median_minutes"]]
    assert seen["light"].headlines == {
        "Threads": 400,
        "Open": expected(warehouse, "backlog_by_day")[-1]["open_threads"],
        "Waiting": len(expected(warehouse, "waiting_now")),
        "First response": medians[-1],
        "Closed unanswered": total(answers, "never_answered")
        / total(answers, "threads"),
        "Reopened": total(closed, "reopened") / total(closed, "closed"),
    }


def test_page_refers_to_nothing(made: Made) -> None:
    """The page has no address in it, and its policy forbids to fetch anything."""
    html = made.html.read_text(encoding="utf-8")
    assert re.findall(r"\b(?:src|href|action|srcset)=\"(?!#|data:,)[^\"]*", html) == []
    assert "://" not in html
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "script" not in policy
    assert "unsafe" not in policy


def test_customers_are_not_in_it(account: Account, made: Made) -> None:
    """No text of a message, no name and no address of a customer is shown."""
    html = made.html.read_text(encoding="utf-8").lower()
    private = set()
    for row in account.messages():
        private |= {row.get(name) for name in ("text", "subject", "richText")}
        for person in (*row.get("senders", ()), *row.get("recipients", ())):
            values = person.get("deliveryIdentifiers", [])
            private |= {person.get("name"), *(each["value"] for each in values)}
    texts = {text.lower() for text in private if isinstance(text, str) and text}
    assert len(texts) > 100
    for text in texts:
        assert text not in html
        assert text not in made.printed.lower()
    assert "canary" not in html  # which every invented name contains
    assert "@" not in html.replace("@media", "")
    assert "a contact</td>" in html


def test_an_address_as_an_assignee(warehouse: Path, tmp_path: Path) -> None:
    """The ID of an e-mail actor is an address, and not in the report."""
    assigned = changed(
        warehouse,
        tmp_path,
        """UPDATE hubspot.threads SET "assignedTo" = 'E-jo@canary.example'""",
        "INSERT INTO hubspot.actors (id, name) VALUES ('E-jo@canary.example', 'Jo C')",
    )
    html = assigned.html.read_text(encoding="utf-8")
    for text in ("canary", "Jo C"):
        assert text not in html
        assert text not in assigned.printed
    waiting = sections(html)[NAMES.index("waiting_now")]
    assert waiting.count("<td>a contact</td>") == waiting.count("<tr><td>") > 50
    assert "a contact" in assigned.printed


def test_console_fits(made: Made) -> None:
    """No line has more than 100 columns, however long the names are."""
    lines = made.printed.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0] == "400 threads in hubspot.threads of warehouse.duckdb"
    for name in console.TABLES:
        assert Metric.load(name).title in lines
    assert any(re.fullmatch(r"Agent \d+( +\d+){3} █+", line) for line in lines)
    assert lines[-1] == f"Page: {made.html}"
    assert "Left out" not in made.printed


def test_older_months_are_counted(warehouse: Path, tmp_path: Path) -> None:
    """The newest months are shown, and a line says how many came before."""
    older = changed(
        warehouse,
        tmp_path,
        "UPDATE hubspot.threads SET \"createdAt\" = TIMESTAMP '2020-01-01' "
        "+ to_months(CAST(id AS BIGINT) % 25)",
    )
    [table] = re.findall(r"^Begun in.*?\n\n", older.printed, re.MULTILINE | re.DOTALL)
    heading, *months, others = table.splitlines()[:-1]
    assert heading.split() == ["Begun", "in", "Threads"]
    assert [line.split()[0] for line in (months[0], months[-1])] == [
        "2020-08",
        "2022-01",
    ]
    assert others == "... after 7 others"


def changed(warehouse: Path, folder: Path, *statements: str) -> Made:
    """Make the report of a copy of the file, after some statements."""
    path = folder / "changed.duckdb"
    path.write_bytes(warehouse.read_bytes())
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return make(path)


@pytest.mark.parametrize(
    ("statement", "reason", "count"),
    [
        (
            "DROP TABLE hubspot.messages",
            "there is no table messages; it needs include_messages: true",
            len(NAMES),
        ),
        ("DELETE FROM hubspot.messages", "there is nothing to count yet", 10),
        (
            "DELETE FROM hubspot.messages WHERE type = 'THREAD_STATUS_CHANGE'",
            "there is nothing to count yet",
            1,
        ),
        (
            'ALTER TABLE hubspot.messages DROP "newStatus"',
            "there is no column messages.newStatus; is it deselected?",
            3,
        ),
        (
            "ALTER TABLE hubspot.threads DROP spam",
            "there is no column threads.spam; is it deselected?",
            len(NAMES),
        ),
        (
            'ALTER TABLE hubspot.threads DROP "closedAt"',
            "there is no column threads.closedAt; is it deselected?",
            2,
        ),
        (
            'ALTER TABLE hubspot.threads ALTER "closedAt" TYPE VARCHAR',
            "threads.closedAt is VARCHAR instead of TIMESTAMP",
            2,
        ),
        ("DELETE FROM hubspot.threads", "there is nothing to count yet", 12),
    ],
)
def test_what_cannot_be_shown(
    warehouse: Path, tmp_path: Path, statement: str, reason: str, count: int
) -> None:
    """A metric without its table, column or rows is left out, and a line says why."""
    changes = changed(warehouse, tmp_path, statement)
    html = changes.html.read_text(encoding="utf-8")
    titles = re.findall(rf"<li>(.*): {re.escape(reason)}</li>", html)
    assert len(titles) == count
    assert left_out_in(changes) == {
        reason: "all metrics" if count == len(NAMES) else ", ".join(titles)
    }
    assert max(map(len, changes.printed.splitlines())) <= 100
    assert html.count("<svg") == html.count("<section") == len(NAMES) - count


def left_out_in(made: Made) -> dict[str, str]:
    """Return the metrics that a report leaves out, by the reason."""
    text = made.printed.replace("\n  ", " ")  # a long line is continued like this
    found = re.findall(r"^Left out: (.*?), because (.*)$", text, re.MULTILINE)
    assert text.count("Left out: ") == len(found)
    return {reason: metrics for metrics, reason in found}


def test_names_are_optional(warehouse: Path, tmp_path: Path) -> None:
    """Without tables of names, IDs are shown, and nothing is left out."""
    without = changed(
        warehouse,
        tmp_path,
        "DROP TABLE hubspot.actors",
        "DROP TABLE hubspot.inboxes",
        "ALTER TABLE hubspot.channels DROP name",
        "DROP TABLE hubspot.channel_accounts",
    )
    html = without.html.read_text(encoding="utf-8")
    assert html.count("<section") == len(NAMES)
    for text in ("481939", "1002", "A-26"):
        assert re.search(rf"<td>{text}", html)
    assert "@" not in html.replace("@media", "")


MOMENTS_OF = {
    "threads": ("createdAt", "closedAt", "latestMessageTimestamp"),
    "messages": ("createdAt",),
}


def typed(warehouse: Path, folder: Path, kind: str) -> Path:
    """Return a copy of the file whose date-times have another type."""
    path = folder / "warehouse.duckdb"
    path.write_bytes(warehouse.read_bytes())
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table, columns in MOMENTS_OF.items():
            for column in columns:
                connection.execute(
                    f'ALTER TABLE hubspot.{table} ALTER "{column}" TYPE {kind}'
                )
    return path


def test_columns_with_a_time_zone(warehouse: Path, made: Made, tmp_path: Path) -> None:
    """Where the machine is does not change the report, and moments are in UTC."""
    path = typed(warehouse, tmp_path, "TIMESTAMPTZ")
    far = command(path, "--html", tmp_path / "page.html", TZ="Pacific/Kiritimati")
    assert far.returncode == 0, far.stderr
    assert far.stdout.startswith(command(warehouse).stdout)
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    newest = r'Newest message: <time datetime="[^"]*Z">[^<]*UTC</time>'
    expected = re.findall(newest, made.html.read_text(encoding="utf-8"))
    assert re.findall(newest, html) == expected
    assert len(expected) == 1


def test_columns_of_texts(warehouse: Path, made: Made, tmp_path: Path) -> None:
    """What needs no calculation is shown; for the rest, a line names the column."""
    texts = make(typed(warehouse, tmp_path, "VARCHAR"))
    left_out = left_out_in(texts)
    assert left_out
    assert "all metrics" not in left_out.values()
    for reason in left_out:
        assert reason.endswith(".createdAt is VARCHAR instead of TIMESTAMP"), reason
    for lines_of in (texts, made):
        assert lines_of.printed.splitlines()[1].startswith("Newest message: 2026-0")
    months = re.compile(r"^\d{4}-\d\d +\d+ █*$", re.MULTILINE)
    assert months.findall(texts.printed) == months.findall(made.printed) != []


def test_mail_of_the_future(warehouse: Path, made: Made, tmp_path: Path) -> None:
    """A mail with a date in the future is not the newest message."""
    ahead = changed(
        warehouse,
        tmp_path,
        """UPDATE hubspot.threads SET "latestMessageTimestamp" = '2038-01-19'
        WHERE "latestMessageTimestamp" =
        (SELECT min("latestMessageTimestamp") FROM hubspot.threads)""",
    )
    assert ahead.printed.splitlines()[1] == made.printed.splitlines()[1]


def test_nobody_has_answered(warehouse: Path, tmp_path: Path) -> None:
    """Without any answer, charts say so, and there is no median at the top."""
    silent = changed(
        warehouse,
        tmp_path,
        "DELETE FROM hubspot.messages WHERE direction = 'OUTGOING'",
    )
    html = silent.html.read_text(encoding="utf-8")
    assert html.count("<svg") == len(NAMES)
    assert "no answer yet</text>" in html
    assert "<dt>First response</dt>" not in html


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_small_account(tmp_path: Path, size: int) -> None:
    """Each metric of a few threads has a chart or a line that says why not."""
    path = tmp_path / "small.duckdb"
    duckdb_file.load(path, Account(size=size, now=NOW))
    small = make(path)
    html = small.html.read_text(encoding="utf-8")
    left_out = left_out_in(small)
    assert left_out.keys() <= {"there is nothing to count yet"}
    metrics = [name for names in left_out.values() for name in names.split(", ")]
    assert html.count("<svg") == len(NAMES) - len(metrics)


def test_an_unknown_error_is_shown(warehouse: Path, tmp_path: Path) -> None:
    """A metric that fails for another reason is left out, with DuckDB's words."""
    wrong = changed(
        warehouse,
        tmp_path,
        'ALTER TABLE hubspot.messages ALTER "createdBy" TYPE BLOB',
    )
    metrics = [
        name
        for reason, names in left_out_in(wrong).items()
        if "Error: " in reason
        for name in names.split(", ")
    ]
    assert metrics
    html = wrong.html.read_text(encoding="utf-8")
    assert html.count("<section") == len(NAMES) - len(metrics)


def test_another_schema(account: Account, tmp_path: Path) -> None:
    """The schema can have any name; if it is not given, the message names it."""
    path = tmp_path / "other.duckdb"
    schema = 'It\'s "odd", and <b>'
    duckdb_file.load(path, account, schema)
    with pytest.raises(NothingToReport) as caught:
        Warehouse(str(path))
    assert f"There is one in {schema}: choose it with --schema" in str(caught.value)
    html = make(path, schema).html.read_text(encoding="utf-8")
    assert html.count("<section") == len(NAMES)
    assert "<b>" not in html


HOLD = """
import duckdb, sys
with duckdb.connect(sys.argv[1]) as connection:
    print("open", flush=True)
    sys.stdin.read()
"""


def command(
    *arguments: str | Path, stdout: int = subprocess.PIPE, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tap_hubspot_threads.report", *arguments],
        cwd=ROOT,
        env=os.environ | env,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_a_file_that_cannot_be_read(warehouse: Path, tmp_path: Path) -> None:
    """No file, a file in use and a file of another kind: one line with the remedy."""
    nowhere = tmp_path / "nowhere.duckdb"
    text = tmp_path / "text.duckdb"
    text.write_text("This is not a database.\n" * 1000)
    empty = tmp_path / "empty.duckdb"
    duckdb.connect(str(empty)).close()
    used = tmp_path / "used.duckdb"
    used.write_bytes(warehouse.read_bytes())
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, used],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout
        holder.stdout.readline()
        found = {path.name: command(path) for path in (nowhere, text, empty, used)}
        holder.communicate()
    assert not nowhere.exists()
    for name, remedy in (
        ("nowhere.duckdb", "There is no such file. Load something first"),
        ("text.duckdb", "not a valid DuckDB database file"),
        ("empty.duckdb", "no table hubspot.threads to read in"),
        ("empty.duckdb", "Is the stream selected, and has the job loaded it?"),
        ("used.duckdb", f"The process {holder.pid} has it open. Wait until"),
    ):
        assert found[name].returncode == 1
        assert found[name].stdout == ""
        assert remedy in found[name].stderr
        assert found[name].stderr.count("\n") == 1


def test_command(warehouse: Path, tmp_path: Path) -> None:
    """The command prints the report, and writes the page where it is told to."""
    html = tmp_path / "page.html"
    done = command(warehouse, "--schema", "hubspot", "--html", html)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "400 threads in hubspot.threads of warehouse.duckdb\n"
    )
    assert done.stdout.endswith(f"\nPage: {html}\n")
    assert html.read_text(encoding="utf-8").count("<svg") == len(NAMES)
    plain = command(warehouse)
    assert plain.stdout == done.stdout.partition("\n\nPage: ")[0] + "\n"
    failed = command(warehouse, "--html", tmp_path / "no" / "page.html")
    assert failed.returncode == 1
    assert "Cannot write " in failed.stderr


def test_a_reader_that_has_seen_enough(warehouse: Path) -> None:
    """A pipe that closes, such as that of `head`, is no error to report."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = command(warehouse, stdout=writing)
    finally:
        os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 1


@pytest.mark.parametrize("package", ["duckdb", "jinja2", "vl_convert"])
def test_without_the_extra(package: str) -> None:
    """Without the packages of the extra, the command says what to install."""
    code = (
        f"import sys; sys.modules[{package!r}] = None; "
        "from tap_hubspot_threads.report.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'tap-hubspot-threads[report]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_tap_does_not_import_it() -> None:
    """The tap starts without the report and its packages."""
    code = (
        "import json, sys; from tap_hubspot_threads import __main__, tap; "
        "print(json.dumps(list(sys.modules)))"
    )
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", code]))
    assert "tap_hubspot_threads.tap" in loaded
    for name in ("tap_hubspot_threads.report", "duckdb", "jinja2", "vl_convert"):
        assert name not in loaded


def test_every_metric_is_in_the_report() -> None:
    """Each SQL file is under one heading, and has a title and an explanation."""
    folder = ROOT / "tap_hubspot_threads" / "report" / "metrics"
    assert sorted(NAMES) == sorted(path.stem for path in folder.glob("*.sql"))
    assert len(NAMES) == sum(map(len, GROUPS.values())) == len(set(NAMES))
    for name in NAMES:
        metric = Metric.load(name)
        assert re.match(r"[A-Z][a-z ]+$", metric.title)
        assert metric.explanation.endswith(".")


def test_only_waits_depend_on_the_present(made: Made, warehouse: Path) -> None:
    """The page is the same whenever it is made, except for waits and that time."""
    with Warehouse(str(warehouse)) as opened:
        again = page.render(Report.of(opened, NOW))
        later = page.render(Report.of(opened, NOW + dt.timedelta(days=400)))
    assert again.split("\n") == made.html.read_text(encoding="utf-8").split("\n")
    differing = {
        name
        for name, one, other in zip(
            NAMES, sections(again), sections(later), strict=True
        )
        if one != other
    }
    assert differing == {"waiting_now"}


def sections(html: str) -> list[str]:
    """Return the sections of a page."""
    return re.findall(r"<section.*?</section>", html, re.DOTALL)


@in_a_browser
def test_picture(browser: Browser, tmp_path: Path) -> None:
    """The picture in the documentation is of this page, and small."""
    script = block("console", "tests.support.picture").script
    assert script == ".venv/bin/python -m tests.support.picture docs/report.png"
    assert "](report.png)" in PAGES["docs/metrics.md"]
    committed = (ROOT / "docs" / "report.png").read_bytes()
    assert committed.startswith(b"\x89PNG")
    assert len(committed) < 200_000
    made = tmp_path / "report.png"
    picture.take(browser, made)
    assert picture.size(made.read_bytes()) == picture.size(committed)
