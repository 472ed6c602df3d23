"""Tests run every command and example of the documentation."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import types
import typing as t
from operator import methodcaller
from pathlib import Path

import psycopg
import pytest
import yaml
from typing_extensions import override

from tests.demo.truth import FIELDS_OF, differences, rows_of
from tests.fake_hubspot import TOKEN, Account, FakeHubSpot, Fault
from tests.support.bootstrap import PINS, ROOT
from tests.support.meltano_project import in_postgres
from tests.support.readme import (
    BLOCKS,
    PAGES,
    Block,
    block,
    is_shown,
    needs_new_packages,
    type_in,
    with_venv,
)
from tests.support.schedule import clone

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from tests.fake_hubspot import SeenRequest
    from tests.support.meltano_project import Project

EXECUTED: dict[tuple[str, str, int], str] = {
    # README.md
    ("console", "uv run meltano run demo", 0): "test_meltano.test_demo",
    ("console", "python3 tests/demo", 0): "test_meltano.test_demo",
    ("console", "uv tool install", 0): "test_packaging.test_installing",
    ("console", "--test", 0): "test_readme_commands.test_run_on_its_own",
    ("console", "cp .env.example .env", 0): "test_readme_commands.test_first_run",
    ("yaml", "namespace: tap_hubspot_threads", 0): "test_packaging.test_own_project",
    ("console", "export TAP_HUBSPOT", 0): "test_packaging.test_own_project",
    ("yaml", "variant: tap-hubspot-threads", 0): "test_packaging.test_own_project",
    ("console", "--from-ref", 0): "test_packaging.test_plugin_definition",
    # docs/development.md
    ("console", "python3 tests\n", 0): "test_readme_commands.test_the_tests_themselves",
    ("console", "singer-check-tap", 0): "test_singer",
    ("console", "-m live", 0): "test_live_mode.test_the_command_of_the_documentation",
    ("console", "tests.support.definitions", 0): "test_settings_agree",
    ("console", "tests.support.picture", 0): "test_report.test_picture",
    ("text", "tap.py", 0): "test_readme.test_the_diagram_names_every_module",
    ("console", "uv pip compile", 0): "test_readme_commands.test_the_pins_are_renewed",
    # docs/metrics.md
    ("console", "duckdb -readonly", 0): "test_metrics.test_command_lines",
    ("console", "meltano run report", 0): "test_meltano.test_demo",
    ("console", "tap-hubspot-threads[report]", 0): (
        "test_packaging.test_installing_the_report"
    ),
    # docs/privacy.md
    ("yaml", "!actors.email", 0): "test_names.test_what_is_deselected_for_privacy",
    ("yaml", "!messages.text", 0): (
        "test_messages_loaded.test_what_messages_keep_without_words"
    ),
    ("json", "originalRichText", 0): (
        "test_messages_loaded.test_the_map_for_privacy_leaves_nobody"
    ),
    ("json", "stream_maps", 0): "test_readme.test_the_hashing_example_hides_the_ids",
    # docs/scheduling.md
    ("yaml", "schedules:", 0): "test_packaging.test_own_project",
    ("cron", "schedule run", 0): "test_packaging.test_own_project",
    ("console", "schedule run", 0): "test_readme_commands.test_schedule",
    ("python", "airflow", 0): "test_readme_commands.test_airflow",
    ("python", "dagster", 0): "test_readme_commands.test_dagster",
    ("console", "extract emea", 0): "test_readme_commands.test_many_accounts",
    ("yaml", "matrix", 0): "test_readme_commands.test_many_accounts_on_github",
    # docs/troubleshooting.md
    ("console", "meltano install", 0): "test_readme_commands.test_first_commands",
    ("console", "state get", 0): "test_readme_commands.test_operations",
    ("json", "sweep_began_at", 0): "test_readme_commands.test_operations",
    ("console", "HOURS=0.001", 0): "test_readme_commands.test_operations",
    ("console", "HOURS=0 ", 0): "test_readme_commands.test_operations",
    ("console", "--state-id-suffix=again", 0): "test_readme_commands.test_operations",
    ("console", "--full-refresh tap-", 0): "test_readme_commands.test_operations",
    ("bash", "pipefail", 0): "test_readme_commands.test_without_meltano",
    ("console", "bash run.sh", 0): "test_readme_commands.test_without_meltano",
    # docs/warehouses.md
    ("yaml", "created_at", 0): "test_columns",
    ("yaml", "flattening_enabled", 0): "test_columns",
    ("yaml", "!threads.assignedTo", 0): "test_columns",
    ("yaml", "mailbox", 0): "test_columns",
    ("yaml", "batch_config", 0): "test_columns",
    ("yaml", "__key_properties__", 0): "test_queries",
}
"""The test that runs a block, by language, a text in the block, and its number.

If several tests share an example of settings, this is the file of those tests.
"""


FOLDERS = {"test_live_mode": "contract", "test_singer": "tap"}
"""Folders of tests that are not in this folder."""


def is_listed_elsewhere(block: Block) -> bool:
    """Return whether a block is a query, or a loader that is marked as not run.

    ``test_queries.py`` and ``test_readme.py`` guarantee that all of these are covered.
    """
    return block.language == "sql" or "# not run" in block.text.partition("\n")[0]


def test_every_block_is_run() -> None:
    """Every fenced block is registered, and the named test runs it."""
    found = [block(*key) for key in EXECUTED]
    assert len(set(map(id, found))) == len(EXECUTED)
    rest = [b for b in BLOCKS if b not in found]
    assert [b.text for b in rest if not is_listed_elsewhere(b)] == []
    for (language, containing, _), name in EXECUTED.items():
        module, _, function = name.partition(".")
        test = importlib.import_module(
            f"tests.{FOLDERS.get(module, 'pipeline')}.{module}"
        )
        if function:
            test = getattr(test, function)
        text = json.dumps(containing)
        uses = (f'block("{language}", {text}', f"config({text}")
        assert any(use in inspect.getsource(test) for use in uses), name
    queries = [b for b in rest if b.language == "sql"]
    others = len(rest) - len(queries)
    print(f"{len(BLOCKS)} blocks: {len(found)} examples and {len(queries)} queries run")
    print(f"{others} loaders are marked as not run")


@pytest.mark.xdist_group("meltano")
def test_first_run(project: Project, tmp_path: Path) -> None:
    """With a token in `.env`, the job loads the account and prints the report."""
    account = Account(size=40)
    root = with_venv(project)
    script = block("console", "cp .env.example .env")
    (root / ".env.example").write_text(
        (ROOT / ".env.example")
        .read_text()
        .replace("ACCESS_TOKEN=\n", f"ACCESS_TOKEN={TOKEN}\n")
    )
    try:
        with FakeHubSpot(account) as hubspot:
            printed = type_in(
                root,
                script,
                TAP_HUBSPOT_THREADS_API_URL=hubspot.url,
                TARGET_DUCKDB_PATH=str(tmp_path / "first.duckdb"),
                MELTANO_RUN_STATE_ID_SUFFIX=project.state,
            )
    finally:
        (root / ".env").unlink()
    assert "40 threads in hubspot.threads of first.duckdb" in printed


@pytest.mark.xdist_group("meltano")
def test_run_on_its_own(project: Project, tmp_path: Path) -> None:
    """`--test` sends one request, and the second run continues from the state."""
    account = Account(size=40)
    requests: list[int] = []
    loader = project.root / ".meltano" / "loaders" / "target-jsonl" / "venv" / "bin"
    with FakeHubSpot(account) as hubspot:
        config = {"access_token": TOKEN, "api_url": hubspot.url}
        (tmp_path / "config.json").write_text(json.dumps(config))
        for line in block("console", "--test").script.splitlines():
            hubspot.forget()
            type_in(
                tmp_path,
                Block("console", f"$ {line}\n"),
                PATH=os.pathsep.join(
                    [str(Path(sys.executable).parent), str(loader), os.environ["PATH"]]
                ),
            )
            requests.append(len(hubspot.requests))
    check, first, keep, second = requests
    assert (check, keep) == (1, 0)
    # One for threads, five for names, and one for actors if a thread has one.
    assert 6 <= second <= 7 < first
    for stream in FIELDS_OF:
        files = tmp_path.glob(f"{stream}-*.jsonl")
        rows = [line for file in files for line in file.read_text().splitlines()]
        loaded = {json.loads(row)["id"] for row in rows}
        assert loaded == {row["id"] for row in rows_of(account, stream)}


@pytest.mark.xdist_group("meltano")
def test_operations(project: Project, tmp_path: Path) -> None:
    """A sweep is forced and skipped, and one inbox or everything is loaded again."""
    account = Account(size=700, seed=8)
    root = with_venv(project)
    requests: dict[str, int] = {}
    printed: dict[str, str] = {}
    asked: dict[str, list[dict[str, str]]] = {}
    with FakeHubSpot(account) as hubspot:

        def run(name: str, example: Block, **env: str) -> None:
            hubspot.forget()
            printed[name] = type_in(
                root,
                example,
                TAP_HUBSPOT_THREADS_ACCESS_TOKEN=TOKEN,
                TAP_HUBSPOT_THREADS_API_URL=hubspot.url,
                TARGET_DUCKDB_PATH=str(tmp_path / "operations.duckdb"),
                MELTANO_CLI_LOG_CONFIG="",
                **env,
            )
            requests[name] = len(hubspot.list_requests)
            asked[name] = [dict(request.params) for request in hubspot.list_requests]

        run("all", block("console", "--full-refresh tap-"))
        state = block("console", "state get")
        run("state", state)
        run("skip", block("console", "HOURS=0 "))
        run("force", block("console", "HOURS=0.001"))
        run("state after a sweep", state)
        run("inbox", block("console", "--state-id-suffix=again"))
        run("state after an inbox", state)
    # At least two pages of changes, two of a sweep, and one of archived threads.
    assert requests["all"] >= 5
    assert requests["skip"] == 1
    # One page of changes, two of a sweep, and one of archived threads.
    assert requests["force"] == 4
    assert {request["inboxId"] for request in asked["inbox"]} == {"481939"}
    states = {
        name: json.loads(text[text.index("{") : text.rindex("}") + 1])
        for name, text in printed.items()
        if name.startswith("state")
    }

    def bookmark_in(state: dict[str, t.Any]) -> dict[str, t.Any]:
        bookmark: dict[str, t.Any] = state["singer_state"]["bookmarks"]["threads"]
        return bookmark

    shown = json.loads(block("json", "sweep_began_at").text)
    before, swept, after = map(bookmark_in, states.values())
    assert bookmark_in(shown).keys() == before.keys()
    assert swept["sweep_began_at"] > before["sweep_began_at"]
    assert after == swept
    again = project.meltano(
        "--environment=dev",
        "state",
        "get",
        "dev:tap-hubspot-threads-to-target-duckdb:again",
    ).stdout
    stored = json.loads(again[again.index('{"') :])
    [partition] = bookmark_in(stored)["partitions"]
    assert partition.pop("context")
    assert partition.keys() == before.keys()
    assert f"{len(account):,} threads in hubspot.threads" in printed["force"]


@pytest.mark.xdist_group("meltano")
def test_without_meltano(project: Project, tmp_path: Path) -> None:
    """The script keeps the last STATE, even of a failed run, and resumes from it."""
    account = Account(size=240, seed=8)
    requests: list[list[SeenRequest]] = []
    loader = project.root / ".meltano" / "loaders" / "target-jsonl" / "venv" / "bin"
    path = [str(Path(sys.executable).parent), str(loader), os.environ["PATH"]]
    (tmp_path / "run.sh").write_text(block("bash", "pipefail").text)
    state = tmp_path / "state.json"
    with FakeHubSpot(account) as hubspot:
        config: dict[str, t.Any] = {
            "access_token": TOKEN,
            "api_url": hubspot.url,
            "page_size": 50,
            "max_parallel_requests": 1,
        }
        (tmp_path / "config.json").write_text(json.dumps(config))

        def run(line: str) -> None:
            hubspot.forget()
            type_in(
                tmp_path, Block("console", f"$ {line}\n"), PATH=os.pathsep.join(path)
            )
            requests.append(list(hubspot.requests))

        for parameter in ("sort", "after"):  # the first page, then the second
            has_it = methodcaller("param", parameter)
            hubspot.faults.add(Fault.status(400), when=has_it, times=1)
            run("! bash run.sh")
        kept = json.loads(state.read_text())["bookmarks"]["threads"]
        assert kept.keys() == {"replication_key", "replication_key_value"}
        for line in block("console", "bash run.sh").script.splitlines():
            before = state.read_text()
            run(line)
            if "inbox.json" in line:
                assert state.read_text() == before
    swept = ["id" in {r.param("sort") for r in seen} for seen in requests]
    #                   fail, fail, run, echo, skip, echo, force, echo, inbox
    assert swept == [False, False, True, False, False, False, True, False, True]
    inboxes = {r.param("inboxId") for r in requests[-1] if r.param("sort")}
    assert inboxes == {"481939"}
    files = tmp_path.glob("threads*.jsonl")
    rows = [line for file in files for line in file.read_text().splitlines()]
    loaded = {json.loads(row)["id"] for row in rows}
    assert loaded == {thread["id"] for thread in account.threads()}


@pytest.mark.fresh
@pytest.mark.xdist_group("first")
def test_first_commands(tmp_path: Path) -> None:
    """In a fresh clone, the first commands work with uv, and then without it."""
    folder = clone(tmp_path / "clone")
    plain = {
        "UV_PROJECT_ENVIRONMENT": "",
        "UV_NO_SYNC": "false",
        "MELTANO_CLI_LOG_CONFIG": "",
    }
    demo = block("console", "uv run meltano run demo")
    printed = type_in(folder, demo, **plain)
    report = re.sub(r"^\S+Z \[\w+ *\] \S+ +", "", printed, flags=re.MULTILINE)
    assert is_shown(report, demo.output), printed
    install = type_in(folder, block("console", "meltano install"), **plain)
    # The demo's loader shares the environment of the real one.
    assert "Installed 7/8 plugins" in install
    one = {"PYTEST_ADDOPTS": "-n0 -k test_pins"}
    with_uv = "uv run pytest"
    assert f"`{with_uv}`" in PAGES["README.md"]
    for command in (
        Block("console", f"$ {with_uv}\n"),
        block("console", "python3 tests\n"),
    ):
        assert "1 passed" in type_in(folder, command, **plain, **one)
    assert (folder / ".venv" / "made-from").is_file()


@pytest.mark.xdist_group("meltano")
def test_schedule(project: Project, tmp_path: Path) -> None:
    """The schedule runs its job in the environment of the command."""
    account = Account(size=40)
    with FakeHubSpot(account) as hubspot:
        printed = type_in(
            with_venv(project),
            block("console", "schedule run"),
            TAP_HUBSPOT_THREADS_ACCESS_TOKEN=TOKEN,
            TAP_HUBSPOT_THREADS_API_URL=hubspot.url,
            TARGET_DUCKDB_PATH=str(tmp_path / "scheduled.duckdb"),
            MELTANO_RUN_STATE_ID_SUFFIX=project.state,
        )
    assert "Environment 'prod' is active" in printed
    assert "40 threads in hubspot.threads of scheduled.duckdb" in printed


class Accounts(FakeHubSpot):
    """Several accounts at one address, as at HubSpot. The token selects the account."""

    def __init__(self, others: dict[str, FakeHubSpot]) -> None:
        super().__init__(Account(size=1))
        self.others = others

    @override
    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return await self.others[token]._handle(request)


@pytest.mark.xdist_group("meltano")
def test_many_accounts(project: Project, postgres: str) -> None:
    """Each account has its own schema and state, and nothing is mixed up."""
    accounts = {"emea": Account(size=700, seed=31), "apac": Account(size=40, seed=32)}
    hubspots = {n: FakeHubSpot(a, token=f"{n}-token") for n, a in accounts.items()}
    with Accounts({f"{n}-token": h for n, h in hubspots.items()}) as everywhere:
        type_in(
            with_venv(project),
            block("console", "extract emea"),
            TOKEN_EMEA="emea-token",
            TOKEN_APAC="apac-token",
            TAP_HUBSPOT_THREADS_API_URL=everywhere.url,
            TARGET_POSTGRES_SQLALCHEMY_URL=postgres,
        )
    with contextlib.closing(
        sqlite3.connect(project.root / ".meltano/meltano.db")
    ) as db:
        states = dict(db.execute("SELECT state_id, completed_state FROM state"))
    for name, account in accounts.items():
        rows = in_postgres(postgres, schema=f"hubspot_{name}")
        assert list(differences(account.threads(), rows)) == []
        state = states[f"prod:tap-hubspot-threads-to-target-postgres:{name}"]
        newest = max(thread["latestMessageTimestamp"] for thread in account.threads())
        assert newest in state
    with psycopg.connect(postgres.replace("+psycopg", "")) as connection:
        for name in accounts:
            connection.execute(f"DROP SCHEMA hubspot_{name} CASCADE".encode())


@needs_new_packages
def test_many_accounts_on_github(tmp_path: Path) -> None:
    """With the example's changes, the workflow is valid and passes zizmor's checks."""
    example = block("yaml", "matrix")
    changed = yaml.safe_load(example.text)["jobs"]["extract"]
    workflow = yaml.safe_load((ROOT / ".github/workflows/extract.yml").read_text())
    workflow["on"] = workflow.pop(True)  # YAML 1.1 reads the key `on` as true
    job = workflow["jobs"]["extract"]
    job |= changed
    added = dict(re.findall(r"^    #   (\w+): (.+)$", example.text, re.MULTILINE))
    assert len(added) == 2
    job["steps"][-1]["env"] |= added
    file = tmp_path / ".github" / "workflows" / "extract.yml"
    file.parent.mkdir(parents=True)
    # Only the comments of the pins are lost.
    file.write_text(yaml.safe_dump(workflow))
    lint = [
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)],
        ["zizmor", "--offline", "--quiet", str(file)],
    ]
    for command in lint:
        program = f"{sys.prefix}/bin/{command[0]}"
        done = subprocess.run([program, *command[1:]], capture_output=True, check=False)
        assert done.returncode == 0, done.stdout


def a_clone(folder: Path) -> Path:
    """Make a clone with a stand-in for Meltano that only records its calls."""
    program = folder / ".venv" / "bin" / "meltano"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$PWD: $@" >> "$PWD/called"\nexit 0$FAILS\n')
    program.chmod(0o755)
    return folder


def execute(
    example: str, folder: Path, patch: pytest.MonkeyPatch, **modules: t.Any
) -> dict[str, t.Any]:
    """Execute an example in a clone, with stand-ins for its imports."""
    for name, members in modules.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        patch.setitem(sys.modules, name.replace("__", "."), module)
    names: dict[str, t.Any] = {"__name__": "example"}
    assert "/srv/tap-hubspot-threads" in example
    source = example.replace("/srv/tap-hubspot-threads", str(folder))
    exec(compile(source, "README.md", "exec"), names)
    return names


def hourly() -> str:
    """Return the schedule that the workflow and Meltano use."""
    [schedule] = yaml.safe_load((ROOT / "meltano.yml").read_text())["schedules"]
    return str(schedule["interval"])


def test_airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The DAG runs the job in the clone, every hour, one run at a time."""
    dags, tasks = [], []

    @contextlib.contextmanager
    def dag(name: str, **settings: t.Any) -> Iterator[None]:
        dags.append({"name": name} | settings)
        yield

    execute(
        block("python", "airflow").text,
        a_clone(tmp_path),
        monkeypatch,
        airflow={},
        airflow__sdk={"DAG": dag},
        airflow__providers={},
        airflow__providers__standard={},
        airflow__providers__standard__operators={},
        airflow__providers__standard__operators__bash={
            "BashOperator": lambda **settings: tasks.append(settings)
        },
    )
    [task] = tasks
    subprocess.run(["bash", "-c", task["bash_command"]], cwd=task["cwd"], check=True)
    [settings] = dags
    assert settings["schedule"] == hourly()
    assert settings["max_active_runs"] == 1
    called = (tmp_path / "called").read_text()
    assert called == f"{tmp_path}: --environment=prod run threads\n"


def test_dagster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job runs Meltano's job in the clone, every hour, and fails if that fails."""
    names = execute(
        block("python", "dagster").text,
        a_clone(tmp_path),
        monkeypatch,
        dagster={
            "op": lambda function: function,
            "job": lambda function: function,
            "ScheduleDefinition": dict,
            "Definitions": dict,
        },
    )
    [schedule] = names["defs"]["schedules"]
    assert schedule["cron_schedule"] == hourly()
    schedule["job"]()
    called = (tmp_path / "called").read_text()
    assert called == f"{tmp_path}: --environment=prod run threads\n"
    monkeypatch.setenv("FAILS", "1")
    with pytest.raises(subprocess.CalledProcessError):
        schedule["job"]()


def test_the_tests_themselves() -> None:
    """`.ci/run` uses the same command, so the suite does not run it again."""
    command = block("console", "python3 tests\n").script
    assert command == "python3 tests"
    steps = (ROOT / ".ci" / "run").read_text().splitlines()
    assert command in steps or f"{command} --cov" in steps


def test_the_pins_are_renewed(tmp_path: Path) -> None:
    """The command writes a file of the same format, for every platform."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    shutil.copy(PINS, tmp_path / "tests")
    type_in(tmp_path, block("console", "uv pip compile"))
    renewed = (tmp_path / "tests" / PINS.name).read_text()
    names = [
        set(re.findall(r"^([a-z0-9._-]+)==\S+ .*\\$", text, re.MULTILINE))
        for text in (PINS.read_text(), renewed)
    ]
    assert len(names[0] & names[1]) > 0.9 * len(names[0])
    assert "://" not in renewed
