"""The settings: which are accepted, and how mistakes are reported."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from singer_sdk.exceptions import ConfigValidationError

from tap_hubspot_threads.tap import TapHubSpotThreads
from tests.fake_hubspot import Account, FakeHubSpot, Fault, path_of
from tests.support.harness import (
    TOKEN,
    Output,
    clean_environment,
    discover,
    run_command_here,
    run_here,
    run_tap,
    select,
    settings,
    start_tap,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    Config: t.TypeAlias = dict[str, t.Any]

SECRET = "s3cr3t-of-a-customer"
OAUTH = {"client_id": "an id", "client_secret": SECRET, "refresh_token": "a token"}
HERE = "http://127.0.0.1:1"


def problems(config: Config) -> list[str]:
    """Return the errors of a configuration, an empty list if it is accepted."""
    try:
        TapHubSpotThreads(config=dict(config))
    except ConfigValidationError as refusal:
        return refusal.errors
    return []


def completed(config: Config) -> Config:
    """Return the configuration of the tap after it was accepted."""
    return dict(TapHubSpotThreads(config=dict(config)).config)


@pytest.fixture(scope="module")
def served() -> Iterator[FakeHubSpot]:
    """An account of a few threads."""
    with FakeHubSpot(Account(size=5), token=TOKEN) as hubspot:
        yield hubspot


@pytest.fixture
def hubspot(served: FakeHubSpot) -> FakeHubSpot:
    """The same account, without the requests of other tests."""
    served.forget()
    return served


# Mistakes are reported at once and by name.

WRONG: dict[str, list[t.Any]] = {
    "access_token": [5, [SECRET], {"token": SECRET}, f"{SECRET} x", f"{SECRET}\nx"],
    "api_url": [5, "http://api.hubapi.com", f"https://me:{SECRET}@api.hubapi.com"],
    "api_version": [
        *("2026", "v2", "v3x", "latest", "2026-9", "2026-09-alpha", "2026-09/../x"),
        *("\uff12\uff10\uff12\uff16-09", SECRET, 3),
    ],
    "associated_ticket_id": [-1, 1.5, SECRET, [5]],
    "batch_config": [
        SECRET,
        5,
        {"encoding": {"format": SECRET}},
        {"encoding": {"format": "jsonl"}},
    ],
    "emit_activate_version_messages": [1, "yes", SECRET],
    "flattening_enabled": ["maybe", 1],
    "inbox_ids": [SECRET, [SECRET], [-1], [1.5], {"5": 5}, [None], "5,x", [True]],
    "include_archived": [0, "no", SECRET],
    "lookback_seconds": [-1, 1.5, SECRET, True, "-1"],
    "max_retry_seconds": [-0.5, SECRET, True, "NaN", "-Infinity"],
    "page_size": [0, 501, -1, 1.5, True, SECRET, "501", [500]],
    "request_timeout": [0, -1, SECRET, "NaN", "Infinity", 1e10],
    "start_date": [
        *("yesterday", "30 days ago", "2024-13-01", "2024-02-30", SECRET, 17),
        *({"from": SECRET}, "9999-12-31T23:59:59-14:00"),
    ],
    "stream_maps": [SECRET, 5, ["threads"]],
    "sweep_interval_hours": [-1, SECRET, "NaN", True],
    "thread_status": ["open", "PENDING", SECRET, 5],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in values],
    ids=repr,
)
def test_a_wrong_setting_is_named_without_its_value(name: str, value: t.Any) -> None:
    """One line names the setting and what is allowed, but never shows the value."""
    (line,) = problems({"access_token": TOKEN, name: value})
    assert line.startswith(f"Setting `{name}` ")
    assert "\n" not in line
    assert SECRET not in line
    assert TOKEN not in line
    assert len(line) > len(f"Setting `{name}` ") + 20, "what would be right?"


def test_all_wrong_settings_are_reported_together(
    tmp_path: Path, hubspot: FakeHubSpot
) -> None:
    """Five mistakes are found in one run, not in five."""
    wrong = {
        "api_version": "latest",
        "client_secret": [SECRET],
        "inbox_ids": "all",
        "lookback_seconds": -1,
        "page_size": SECRET,
        "start_date": "yesterday",
        "thread_status": "open",
    }
    config = {"api_url": hubspot.url} | wrong
    output = run_tap(tmp_path, config)
    assert output.code == 1
    # `client_secret` is set, so OAuth is meant: the other two are missing.
    named = [line.split("`")[1] for line in output.errors]
    assert named == sorted({*wrong, "client_id", "refresh_token"})
    assert output.messages == []
    assert hubspot.requests == []
    assert SECRET not in output.stderr
    assert "Traceback" not in output.stderr


@pytest.mark.parametrize("arguments", [(), ("--test",), ("--test=schema",)], ids=str)
def test_without_a_credential_the_missing_setting_is_named(
    tmp_path: Path, hubspot: FakeHubSpot, arguments: tuple[str, ...]
) -> None:
    """One line names `access_token` and the scope that it needs."""
    output = run_command_here(tmp_path, {"api_url": hubspot.url}, *arguments)
    assert output.code == 1
    (line,) = output.errors
    assert "`access_token`" in line
    assert "`conversations.read`" in line
    assert output.messages == []
    assert hubspot.requests == []


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"client_id": "x"}, {"client_secret", "refresh_token"}),
        ({"client_secret": SECRET}, {"client_id", "refresh_token"}),
        ({"refresh_token": SECRET}, {"client_id", "client_secret"}),
        ({"client_id": "x", "client_secret": SECRET}, {"refresh_token"}),
        (OAUTH | {"client_secret": ""}, {"client_secret"}),
        (OAUTH | {"access_token": SECRET}, {"access_token"}),
        ({"access_token": SECRET, "client_id": "x"}, {"access_token"}),
        ({"associated_contact_id": 5}, {"thread_status"}),
        (
            {"associated_contact_id": 5, "inbox_ids": [7], "thread_status": "OPEN"},
            {"associated_contact_id"},
        ),
        (
            {
                "batch_config": {
                    "encoding": {"format": "jsonl"},
                    "storage": {"root": "file:///nowhere"},
                },
                "stream_maps": {"threads": {}},
            },
            {"batch_config"},
        ),
        (
            {
                "batch_config": {
                    "encoding": {"format": "jsonl"},
                    "storage": {"root": "file:///nowhere"},
                },
                "emit_activate_version_messages": True,
            },
            {"batch_config"},
        ),
        ({"flattening_enabled": True}, {"flattening_max_depth"}),
    ],
    ids=lambda names: "+".join(sorted(names)),
)
def test_settings_that_do_not_go_together_are_told(
    config: Config, named: set[str]
) -> None:
    """The line names the setting to change or add."""
    if not config.keys() & {"access_token", *OAUTH}:
        config |= {"access_token": TOKEN}
    found = problems(config)
    assert {line.split("`")[1] for line in found} == named
    assert SECRET not in "".join(found)


@pytest.mark.parametrize(
    "config",
    [
        {"access_token": TOKEN},
        OAUTH,
        {"associated_contact_id": 5, "thread_status": "CLOSED"},
        {"inbox_ids": [481939, 5], "thread_status": "OPEN"},
        {"associated_ticket_id": 5, "inbox_ids": [7]},
        {"stream_maps": {"threads": {}}},
        {"flattening_enabled": True, "flattening_max_depth": 1},
        {"page_size": 1, "lookback_seconds": 0, "sweep_interval_hours": 0},
        {"page_size": 500, "sweep_interval_hours": 0.25, "max_retry_seconds": 0},
        {"access_token": f"  {TOKEN}\n"},
    ],
    ids=str,
)
def test_settings_that_go_together_are_accepted(config: Config) -> None:
    """Combinations that the README allows are accepted."""
    if not config.keys() & {"access_token", *OAUTH}:
        config |= {"access_token": TOKEN}
    assert problems(config) == []


def test_an_unknown_setting_is_a_warning(tmp_path: Path, hubspot: FakeHubSpot) -> None:
    """A mistyped name is reported without its value, and does not stop a run."""
    output = run_command_here(
        tmp_path, settings(hubspot.url, pagesize=SECRET, acces_token="x")
    )
    assert output.code == 0
    assert len(output.records) == 5
    assert [line.split("`")[1] for line in output.warnings] == [
        "acces_token",
        "pagesize",
    ]
    assert SECRET not in output.stderr


# Empty values, and text in place of other types.

ALL_SETTINGS = sorted(TapHubSpotThreads.settings_schema()["properties"])


@pytest.mark.parametrize("name", ALL_SETTINGS)
@pytest.mark.parametrize("empty", ["", "  \n", None])
def test_an_empty_value_is_no_value(name: str, empty: str | None) -> None:
    """A scheduler passes a variable without a value as empty text."""
    needed = OAUTH if name == "access_token" else {"access_token": TOKEN}
    assert completed({**needed, name: empty}) == completed(dict(needed))


def test_an_empty_list_of_inboxes_means_all() -> None:
    """Otherwise, an empty list would extract nothing, silently."""
    assert "inbox_ids" not in completed({"access_token": TOKEN, "inbox_ids": []})


@pytest.mark.parametrize(
    ("name", "given", "meant"),
    [
        ("page_size", "250", 250),
        ("lookback_seconds", " 60 ", 60),
        ("sweep_interval_hours", "0.5", 0.5),
        ("request_timeout", "2.5", 2.5),
        ("include_archived", "false", False),
        ("include_archived", "False", False),
        ("emit_activate_version_messages", "TRUE", True),
        ("inbox_ids", "[481939, 5]", [481939, 5]),
        ("associated_ticket_id", "57774743", 57774743),
        ("thread_status", "OPEN", "OPEN"),
    ],
)
def test_text_is_read_as_what_the_setting_is(
    name: str, given: str, meant: t.Any
) -> None:
    """The environment and secret stores only contain text."""
    assert completed({"access_token": TOKEN, name: given})[name] == meant


def test_a_run_can_be_configured_by_the_environment_alone(
    tmp_path: Path, hubspot: FakeHubSpot
) -> None:
    """With `--config=ENV` no file is needed."""
    env = {
        "ACCESS_TOKEN": TOKEN,
        "API_URL": hubspot.url,
        "PAGE_SIZE": "2",
        "SWEEP_INTERVAL_HOURS": "0.0",
        "INBOX_IDS": "",
        "START_DATE": "",
        "MAX_RETRY_SECONDS": "1.5",
    }
    output = run_tap(
        tmp_path, None, "--config=ENV", env=variables(env), catalog=select()
    )
    assert output.code == 0, output.stderr
    assert len(output.records) == 5
    assert {request.param("limit") for request in hubspot.requests} == {"2"}
    assert TOKEN not in output.stderr


def variables(values: dict[str, str]) -> dict[str, str]:
    """Return the environment variables for some settings."""
    return {f"TAP_HUBSPOT_THREADS_{name}": value for name, value in values.items()}


def test_wrong_values_in_the_environment_are_all_reported(
    tmp_path: Path, hubspot: FakeHubSpot
) -> None:
    """Text that is not a number is reported like other mistakes, with no traceback."""
    env = {
        "ACCESS_TOKEN": f"{SECRET} x",
        "API_URL": hubspot.url,
        "PAGE_SIZE": "many",
        "LOOKBACK_SECONDS": "5 minutes",
        "INBOX_IDS": "481939,x",
        "INCLUDE_ARCHIVED": "perhaps",
        "STREAM_MAPS": "{",
    }
    output = run_tap(tmp_path, None, "--config=ENV", env=variables(env))
    assert output.code == 1
    assert [line.split("`")[1] for line in output.errors] == [
        "access_token",
        "inbox_ids",
        "include_archived",
        "lookback_seconds",
        "page_size",
        "stream_maps",
    ]
    assert hubspot.requests == []
    assert SECRET not in output.stderr


def test_an_empty_variable_does_not_hide_what_a_file_says(
    tmp_path: Path, hubspot: FakeHubSpot
) -> None:
    """A variable overrides the file, but an empty one counts as not set."""
    env = variables({"ACCESS_TOKEN": "", "PAGE_SIZE": "3"})
    config = settings(hubspot.url, page_size=5)
    output = run_tap(tmp_path, config, "--config=ENV", env=env, catalog=select())
    assert output.code == 0, output.stderr
    assert {request.param("limit") for request in hubspot.requests} == {"3"}


def test_a_file_with_variables_is_left_to_meltano(
    tmp_path: Path, hubspot: FakeHubSpot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `.env` above the installed SDK, such as that of a clone, changes no setting."""
    stray = tmp_path / ".env"
    stray.write_text(
        "TAP_HUBSPOT_THREADS_CLIENT_ID=x\nTAP_HUBSPOT_THREADS_PAGE_SIZE=4\n"
    )
    search = "singer_sdk.configuration._dict_config.find_dotenv"
    monkeypatch.setattr(search, lambda: str(stray))
    monkeypatch.setenv("TAP_HUBSPOT_THREADS_CLIENT_ID", "")
    monkeypatch.setenv("TAP_HUBSPOT_THREADS_PAGE_SIZE", "3")
    output = run_command_here(
        tmp_path, settings(hubspot.url), "--config=ENV", catalog=select()
    )
    assert output.code == 0, output.stderr
    assert {request.param("limit") for request in hubspot.requests} == {"3"}


def test_the_environment_is_only_read_when_asked(
    tmp_path: Path, hubspot: FakeHubSpot
) -> None:
    """Without `--config=ENV`, only the file counts."""
    output = run_tap(
        tmp_path, settings(hubspot.url), env=variables({"PAGE_SIZE": "many"})
    )
    assert output.code == 0, output.stderr


@pytest.mark.parametrize("given", [50, 50.0, "50", "50.0", "5e1"], ids=repr)
def test_a_whole_number_may_be_written_with_a_fraction(
    hubspot: FakeHubSpot, given: t.Any
) -> None:
    """JSON does not distinguish 50 from 50.0, but HubSpot does."""
    run_here(settings(hubspot.url, page_size=given))
    assert {request.param("limit") for request in hubspot.requests} == {"50"}


# Moments.


@pytest.mark.parametrize(
    ("given", "bound"),
    [
        ("2024-03-11T15:06:22.889Z", "2024-03-11T15:06:22.888Z"),
        ("2024-03-11T15:06:22Z", "2024-03-11T15:06:21.999Z"),
        ("2024-03-11T15:06:22", "2024-03-11T15:06:21.999Z"),
        ("2024-03-11T15:06:22.889123", "2024-03-11T15:06:22.888Z"),
        ("2024-03-11T15:06:22+02:00", "2024-03-11T13:06:21.999Z"),
        ("2024-03-11", "2024-03-10T23:59:59.999Z"),
        (" 2024-03-11 ", "2024-03-10T23:59:59.999Z"),
        ("1960-01-01", "1970-01-01T00:00:00.000Z"),
    ],
)
def test_a_start_date_is_read_as_utc_unless_it_says_otherwise(
    hubspot: FakeHubSpot, given: str, bound: str
) -> None:
    """Meltano turns `30 days ago` into a moment without a time zone."""
    output = run_here(settings(hubspot.url, start_date=given))
    sent = {r.param("latestMessageTimestampAfter") for r in hubspot.requests}
    assert sent == {bound}
    assert output.states


# Addresses and versions.


@pytest.mark.parametrize(
    "url",
    [
        "https://api.hubapi.com",
        "https://api.hubapi.com/",
        "https://api.hubapi.com:443",
        "https://gateway.example/hubspot",
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "http://127.9.9.9",
        "http://[::1]:8080",
        "HTTPS://API.HUBAPI.COM",
    ],
)
def test_an_address_that_keeps_the_token_safe_is_accepted(url: str) -> None:
    """HTTPS to any host, HTTP to this machine only."""
    assert problems({"access_token": TOKEN, "api_url": url}) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://api.hubapi.com",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://127.0.0.1@example.com",
        "http://localhost:80@example.com",
        "http://[::2]",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://2130706433",
        "ftp://api.hubapi.com",
        "file:///etc/passwd",
        "api.hubapi.com",
        "//api.hubapi.com",
        "https:api.hubapi.com",
        "https://",
        "https://:443",
        f"https://{SECRET}@api.hubapi.com",
        f"https://me:{SECRET}@api.hubapi.com",
        f"https://:{SECRET}@api.hubapi.com",
        "https://api.hubapi.com?x=1",
        "https://api.hubapi.com#x",
        "https://api.hubapi.com:port",
        "https://api.hubapi.com:99999",
        "https://[::1",
        "https://api hubapi.com",
        "https://api.hubapi.com\\@example.com",
        "https://api.hubapi.com/{version}",
    ],
)
def test_an_address_that_does_not_is_refused(url: str) -> None:
    """The token is never sent in clear text, nor to a host that only looks local."""
    (line,) = problems({"access_token": TOKEN, "api_url": url})
    assert line.startswith("Setting `api_url` ")
    assert "https://" in line or "character" in line
    assert SECRET not in line


@pytest.mark.parametrize(
    "url",
    [
        "https://.example.com",
        "https://*.hubapi.com",
        "https://api..hubapi.com",
        f"https://{'a' * 70}.com",
        "https://api\u200b.hubapi.com",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    """An address that no request can be sent to is a mistake, not a fault to retry."""
    (line,) = problems({"access_token": TOKEN, "api_url": url})
    assert line.startswith("Setting `api_url` ")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("end", ["", "/", "//"])
def test_a_slash_at_the_end_makes_no_difference(
    hubspot: FakeHubSpot, host: str, end: str
) -> None:
    """The path is HubSpot's, with or without a slash at the end of the address."""
    url = hubspot.url.replace("127.0.0.1", host) + end
    assert len(run_here(settings(url)).records) == 5
    assert {request.path for request in hubspot.requests} == {path_of("2026-09-beta")}


@pytest.mark.parametrize(
    ("version", "path"),
    [
        (None, "/conversations/conversations/2026-09-beta/threads"),
        ("2026-09-beta", "/conversations/conversations/2026-09-beta/threads"),
        ("2026-09", "/conversations/conversations/2026-09/threads"),
        ("v3", "/conversations/v3/conversations/threads"),
    ],
)
def test_a_version_has_its_path(
    hubspot: FakeHubSpot, version: str | None, path: str
) -> None:
    """The dated versions and v3 order the segments of the path differently."""
    assert len(run_here(settings(hubspot.url, api_version=version)).records) == 5
    assert {request.path for request in hubspot.requests} == {path}


# Files.


@pytest.mark.parametrize("option", ["config", "state", "catalog"])
@pytest.mark.parametrize("text", ["", "{", f'{{"access_token": "{SECRET}"', SECRET])
def test_a_file_that_is_not_json_is_told_in_one_line(
    tmp_path: Path, hubspot: FakeHubSpot, option: str, text: str
) -> None:
    """It names the kind of file and the line, but shows no content."""
    output = run_with(tmp_path, hubspot, option, text)
    assert_told_in_one_line(output, hubspot)
    assert f"--{option}" in output.errors[0]
    assert "JSON" in output.errors[0]


@pytest.mark.parametrize("option", ["config", "state", "catalog"])
@pytest.mark.parametrize("text", ["[1]", "3", f'"{SECRET}"', "true"])
def test_a_file_of_another_form_is_told_in_one_line(
    tmp_path: Path, hubspot: FakeHubSpot, option: str, text: str
) -> None:
    """JSON that is not an object is the user's mistake, not an error of the tap."""
    output = run_with(tmp_path, hubspot, option, text)
    assert_told_in_one_line(output, hubspot)
    assert option in output.errors[0].lower()


@pytest.mark.parametrize(
    "text",
    [
        '{"streams": null}',
        '{"streams": {}}',
        '{"streams": [3]}',
        '{"streams": [{}]}',
        f'{{"streams": [{{"stream": "{SECRET}"}}]}}',
    ],
)
def test_a_catalog_of_another_form_is_told_in_one_line(
    tmp_path: Path, hubspot: FakeHubSpot, text: str
) -> None:
    """The remedy is to run discovery again."""
    output = run_with(tmp_path, hubspot, "catalog", text)
    assert_told_in_one_line(output, hubspot)
    assert "catalog" in output.errors[0].lower()


@pytest.mark.parametrize("option", ["config", "state", "catalog"])
def test_a_file_that_is_no_text_is_told_in_one_line(
    tmp_path: Path, hubspot: FakeHubSpot, option: str
) -> None:
    """Some shells write UTF-16 when `>` creates a file."""
    path = tmp_path / "in-utf-16.json"
    path.write_bytes('{"bookmarks": {}}'.encode("utf-16"))
    config = None if option == "config" else settings(hubspot.url)
    output = run_command_here(tmp_path, config, f"--{option}", str(path))
    assert_told_in_one_line(output, hubspot)
    assert "JSON" in output.errors[0]


def test_a_directory_in_place_of_the_configuration_is_told(tmp_path: Path) -> None:
    """The error is about reading, not about writing."""
    output = run_command_here(tmp_path, None, "--config", str(tmp_path))
    assert output.code == 1
    (line,) = output.errors
    assert str(tmp_path) in line
    assert "write" not in line


def test_a_configuration_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The line names the file."""
    path = tmp_path / "missing.json"
    output = run_command_here(tmp_path, None, "--config", str(path))
    assert output.code == 1
    (line,) = output.errors
    assert str(path) in line


@pytest.mark.parametrize("option", ["--state", "--catalog"])
def test_another_file_that_is_not_there_is_told(tmp_path: Path, option: str) -> None:
    """A wrong option ends with exit code 2 and names the option and the file."""
    path = tmp_path / "missing.json"
    output = run_command_here(tmp_path, settings(HERE), option, str(path))
    assert output.code == 2
    assert option in output.stderr
    assert str(path) in output.stderr
    assert "Traceback" not in output.stderr


def test_configurations_are_merged(tmp_path: Path, hubspot: FakeHubSpot) -> None:
    """The later file wins, setting by setting."""
    second = tmp_path / "second.json"
    second.write_text(json.dumps({"page_size": 3}))
    config = settings(hubspot.url, page_size=2)
    output = run_command_here(
        tmp_path, config, "--config", str(second), catalog=select()
    )
    assert output.code == 0, output.stderr
    assert {request.param("limit") for request in hubspot.requests} == {"3"}


def run_with(directory: Path, hubspot: FakeHubSpot, option: str, text: str) -> Output:
    """Run with a text in one of the files, and valid content in the others."""
    files: dict[str, t.Any] = {"config": settings(hubspot.url)} | {option: text}
    return run_command_here(directory, files.pop("config"), **files)


def assert_told_in_one_line(output: Output, hubspot: FakeHubSpot) -> None:
    """Check that a run ends at once, with one line for the user."""
    assert output.code == 1
    assert output.messages == []
    assert hubspot.requests == []
    (line,) = output.errors
    assert "should not happen" not in line
    assert SECRET not in output.stderr
    assert "Traceback" not in output.stderr


# Commands that need no settings.


def ask(directory: Path, *arguments: str, config: t.Any, hubspot: FakeHubSpot) -> str:
    """Return what a command prints, and check that it succeeds without any request.

    A request to HubSpot itself would go through the proxy, which is also the fake.
    """
    env = {"HTTPS_PROXY": hubspot.url, "HTTP_PROXY": hubspot.url}
    process = start_tap(directory, config, *arguments, env=env)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr.decode()
    assert b"Traceback" not in stderr
    assert hubspot.requests == []
    return stdout.decode()


CONFIGURATIONS = [None, {"page_size": SECRET, "api_version": 5, "client_id": "x"}]


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=["none", "broken"])
def test_about_is_told_without_settings(
    tmp_path: Path, hubspot: FakeHubSpot, config: t.Any
) -> None:
    """Each format contains every setting with its description."""
    text = ask(tmp_path, "--about", config=config, hubspot=hubspot)
    markdown = ask(
        tmp_path, "--about", "--format=markdown", config=config, hubspot=hubspot
    )
    about = json.loads(
        ask(tmp_path, "--about", "--format=json", config=config, hubspot=hubspot)
    )
    assert sorted(about["settings"]["properties"]) == ALL_SETTINGS
    assert text.startswith("Name: tap-hubspot-threads\n")
    for name in TapHubSpotThreads.config_jsonschema["properties"]:
        assert name in text
        assert name in markdown
    assert SECRET not in text + markdown


def test_every_setting_is_described_and_secrets_are_marked() -> None:
    """A user interface can show a title and a sentence, and hide secrets."""
    own = TapHubSpotThreads.config_jsonschema["properties"]
    for name, setting in own.items():
        assert setting["title"], name
        assert setting["description"].endswith("."), name
    secret = {name for name, setting in own.items() if setting.get("secret")}
    assert secret == {"access_token", *OAUTH}


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=["none", "broken"])
def test_a_catalog_is_discovered_without_settings(
    tmp_path: Path, hubspot: FakeHubSpot, config: t.Any
) -> None:
    """The catalog is the same for every configuration."""
    found = ask(tmp_path, "--discover", config=config, hubspot=hubspot)
    assert json.loads(found) == discover()


@pytest.mark.parametrize("command", ["module", "script"])
def test_the_version_is_told_by_either_command(command: str) -> None:
    """`python -m tap_hubspot_threads` and the console script print the same."""
    script = Path(sys.executable).with_name("tap-hubspot-threads")
    commands = {
        "module": [sys.executable, "-m", "tap_hubspot_threads"],
        "script": [str(script)],
    }
    found = subprocess.run(
        [*commands[command], "--version"],
        capture_output=True,
        check=True,
        text=True,
        env=clean_environment(),
    )
    assert found.stdout.startswith("tap-hubspot-threads v")
    assert found.stderr == ""


# Whether the credential is valid.


def test_a_good_credential_passes_the_test(
    tmp_path: Path, hubspot: FakeHubSpot
) -> None:
    """`--test` requests one page and succeeds."""
    output = run_command_here(tmp_path, settings(hubspot.url), "--test")
    assert output.code == 0, output.stderr
    assert output.errors == []
    assert [request.status for request in hubspot.requests] == [200]


def test_an_account_without_threads_passes_the_test(tmp_path: Path) -> None:
    """A credential can be valid even if there is nothing to read."""
    with FakeHubSpot(Account(), token=TOKEN) as hubspot:
        output = run_command_here(tmp_path, settings(hubspot.url), "--test")
    assert output.code == 0, output.stderr


@pytest.mark.parametrize(
    ("token", "named"),
    [("wrong", "`access_token`"), ("unscoped", "`conversations.read`")],
)
def test_a_bad_credential_fails_the_test(
    tmp_path: Path, hubspot: FakeHubSpot, token: str, named: str
) -> None:
    """The line is the same as in a sync."""
    tokens = {"wrong": SECRET, "unscoped": hubspot.unscoped_token}
    config = settings(hubspot.url, access_token=tokens[token])
    output = run_command_here(tmp_path, config, "--test")
    assert output.code == 1
    (line,) = output.errors
    assert named in line
    assert tokens[token] not in output.stderr
    assert output.records == []


def test_a_test_gives_up_soon(tmp_path: Path, hubspot: FakeHubSpot) -> None:
    """Somebody waits for it, and `max_retry_seconds` is ten minutes."""
    hubspot.faults.add(Fault.status(503, retry_after=30), on="any")
    config = {"access_token": TOKEN, "api_url": hubspot.url}
    before = len(hubspot.requests)
    output = run_tap(tmp_path, config, "--test")
    hubspot.faults.clear()
    assert output.code == 1
    assert len(hubspot.requests) == before + 1
    (line,) = output.errors
    assert "`--test` gives up early" in line
    assert "max_retry_seconds" not in line
    assert "resumes" not in line


def test_a_test_says_that_it_succeeded(tmp_path: Path, hubspot: FakeHubSpot) -> None:
    """It prints one line on stderr."""
    config = {"access_token": TOKEN, "api_url": hubspot.url}
    output = run_tap(tmp_path, config, "--test")
    assert output.code == 0
    assert output.stderr.count("HubSpot accepts the credential") == 1
    assert "serves `threads`" in output.stderr
