"""The settings: what each is, and whether a configuration can be run with."""

from __future__ import annotations

import ipaddress
import json
import math
import re
import typing as t
from decimal import Decimal
from urllib.parse import urlsplit

import requests
from singer_sdk import typing as th
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.auth import OAUTH_SETTINGS, TOKEN

if t.TYPE_CHECKING:
    from jsonschema import ValidationError

    Config: t.TypeAlias = dict[str, t.Any]

SETTINGS = th.PropertiesList(
    th.Property(
        "access_token",
        th.StringType,
        secret=True,
        title="Access token",
        description="Private-app token, service key or OAuth access token with the "
        "scope `conversations.read`. Either this or the three OAuth settings are "
        "needed for everything but `--about` and `--discover`.",
    ),
    th.Property(
        "client_id",
        th.StringType,
        secret=True,
        title="OAuth client id",
        description="Client id of an OAuth app, with `client_secret` and "
        "`refresh_token`, instead of `access_token`.",
    ),
    th.Property(
        "client_secret",
        th.StringType,
        secret=True,
        title="OAuth client secret",
        description="Client secret of the OAuth app.",
    ),
    th.Property(
        "refresh_token",
        th.StringType,
        secret=True,
        title="OAuth refresh token",
        description="Refresh token that the OAuth app was given for the account, with "
        "the scope `conversations.read`.",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Threads whose last message is older are left out. Without a "
        "time zone it is read as UTC. Without a start date all threads are "
        "extracted.",
    ),
    th.Property(
        "lookback_seconds",
        th.IntegerType(minimum=0),
        default=300,
        title="Overlap in seconds",
        description="How far below the bookmark an incremental run reads again, for "
        "threads that HubSpot shows a little late.",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=500),
        default=500,
        title="Threads per request",
        description="From 1 to 500, HubSpot's documented maximum.",
    ),
    th.Property(
        "max_parallel_requests",
        th.IntegerType(minimum=1, maximum=16),
        default=4,
        title="Requests at the same time",
        description="From 1 to 16. Threads are read in slices of time, as many at the "
        "same time; 1 reads one page after the other. HubSpot's limit of requests is "
        "kept to either way.",
    ),
    th.Property(
        "api_version",
        th.StringType(pattern=r"^(v3|[0-9]{4}-[0-9]{2}(-beta)?)$"),
        default="2026-09-beta",
        title="API version",
        description="`v3` or a dated version, `YYYY-MM` or `YYYY-MM-beta`.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        default="https://api.hubapi.com",
        title="API address",
        description="Where HubSpot is. Must be https; http is only accepted for a "
        "loopback address, to test against a server of your own.",
    ),
    th.Property(
        "sweep_interval_hours",
        th.NumberType(minimum=0),
        default=12,
        title="Hours between sweeps",
        description="How often all threads are read, for the changes that no message "
        "comes with: closing, assigning, archiving, deleting. A fraction is allowed; "
        "0 means never.",
    ),
    th.Property(
        "sweep_order",
        th.StringType(allowed_values=["id", "timestamp"]),
        default="id",
        title="Order of a sweep",
        description="`id` finds every thread. `timestamp` leaves out threads that "
        "never had a message, and costs no second listing on the first run.",
    ),
    th.Property(
        "include_archived",
        th.BooleanType,
        default=True,
        title="Include archived threads",
        description="Whether a sweep also reads the threads in HubSpot's trash.",
    ),
    th.Property(
        "emit_activate_version_messages",
        th.BooleanType,
        default=False,
        title="Emit ACTIVATE_VERSION messages",
        description="Whether a completed sweep ends with ACTIVATE_VERSION, at which a "
        "target that supports it deletes the threads that HubSpot no longer has.",
    ),
    th.Property(
        "inbox_ids",
        th.ArrayType(th.IntegerType(minimum=0, nullable=False)),
        title="Inboxes",
        description="Ids of the inboxes to extract, such as [481939]; all without it. "
        "Each has requests and a bookmark of its own.",
    ),
    th.Property(
        "associated_contact_id",
        th.IntegerType(minimum=0),
        title="Contact",
        description="Id of the contact whose threads are extracted. Needs "
        "`thread_status` and excludes `inbox_ids`.",
    ),
    th.Property(
        "associated_ticket_id",
        th.IntegerType(minimum=0),
        title="Ticket",
        description="Id of the ticket whose threads are extracted.",
    ),
    th.Property(
        "thread_status",
        th.StringType(allowed_values=["OPEN", "CLOSED"]),
        title="Status",
        description="`OPEN` or `CLOSED` extracts only such threads. A thread that "
        "changes to the other status keeps its old row in the warehouse.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0, maximum=3600),
        default=60,
        title="Request timeout in seconds",
        description="How long HubSpot may keep silent in the middle of an answer "
        "before the request is tried again.",
    ),
    th.Property(
        "max_retry_seconds",
        th.NumberType(minimum=0),
        default=600,
        title="Longest wait for one request in seconds",
        description="How long a run may wait for one request in all, when HubSpot or "
        "the network has a passing fault. Then the run fails, and goes on from there "
        "when it is started again.",
    ),
)


def complete(config: Config, schema: dict[str, t.Any]) -> list[str]:
    """Complete a configuration in place; return what is wrong with it.

    Empty values count as not set: an environment variable of a scheduler, or a
    secret that does not exist there, arrives as an empty text. Text is converted
    where another type is wanted, since environment variables are always text.

    Args:
        config: The settings as they were given. Defaults are filled in.
        schema: JSON schema of all settings, the SDK's own included.

    Returns:
        A line for each problem: the setting, what is wrong, what would be right.
        Never the value, which may be a secret.
    """
    properties = schema["properties"]
    _clean(config, properties)
    errors = DEFAULT_JSONSCHEMA_VALIDATOR(schema).iter_errors(config)
    wrong = {_setting(error): _explain(error, properties) for error in errors}
    sound = {name: None if name in wrong else config[name] for name in config}
    for check in _CHECKS:
        wrong = check(sound) | wrong
    return [f"Setting `{name}` {problem}" for name, problem in sorted(wrong.items())]


def unknown(config: Config, schema: dict[str, t.Any]) -> list[str]:
    """Return the names in a configuration that are no settings of this tap."""
    return sorted(config.keys() - schema["properties"].keys())


def _clean(config: Config, properties: dict[str, t.Any]) -> None:
    for name, value in list(config.items()):
        if (
            value is None
            or value == []
            or (isinstance(value, str) and not value.strip())
        ):
            del config[name]
        elif isinstance(value, str) and name in properties:
            config[name] = _converted(value.strip(), properties[name])
        elif isinstance(value, (Decimal, float, list)):
            config[name] = _plain(value)
    for name, setting in properties.items():
        if "default" in setting:
            config.setdefault(name, setting["default"])


def _plain(value: t.Any) -> t.Any:  # noqa: ANN401
    """Return a number as a float or, if it is whole, as an int; also those in a list.

    The SDK reads fractions from a file as Decimal, and HubSpot takes no `limit=50.0`.
    """
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, (Decimal, float)) and math.isfinite(value):
        return int(value) if value == int(value) else float(value)
    return value


def _converted(text: str, setting: dict[str, t.Any]) -> t.Any:  # noqa: ANN401
    types = setting.get("type", "string")
    types = {types} if isinstance(types, str) else set(types)
    if "string" in types:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return {"true": True, "false": False}.get(text.lower(), text)
    return _plain(value)


def _setting(error: ValidationError) -> str:
    return str(error.absolute_path[0]) if error.absolute_path else "config"


def _explain(error: ValidationError, properties: dict[str, t.Any]) -> str:
    rules = properties.get(_setting(error), {})
    types = rules.get("type", [])
    wanted = [types] if isinstance(types, str) else [x for x in types if x != "null"]
    text = f"must be {' or '.join(_ARTICLES.get(x, x) for x in wanted)}"
    low, high = rules.get("minimum"), rules.get("maximum")
    if low is not None:
        text += f" from {low} to {high}" if high is not None else f" of {low} or more"
    elif "exclusiveMinimum" in rules:
        text += f" greater than {rules['exclusiveMinimum']}"
    if "enum" in rules:
        text += f", one of {', '.join(str(x) for x in rules['enum'] if x is not None)}"
    if "description" in rules:
        text += f". {rules['description']}"
    return text


_ARTICLES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


def _check_credential(config: Config) -> dict[str, str]:
    oauth = [name for name in OAUTH_SETTINGS if name in config]
    token = config.get("access_token")
    if token is None and oauth:
        return {
            name: f"is missing; OAuth needs it beside {' and '.join(oauth)}"
            for name in OAUTH_SETTINGS
            if name not in oauth
        }
    if token is None:
        return {
            "access_token": "is missing; set it to a private-app token, a service key "
            "or an OAuth access token with the scope `conversations.read`, or set "
            "`client_id`, `client_secret` and `refresh_token`"
        }
    if oauth:
        return {
            "access_token": f"cannot be combined with {' and '.join(oauth)}; leave "
            "out one or the other"
        }
    if not TOKEN.fullmatch(token):
        return {
            "access_token": "holds a character that no token has, such as a space; "
            "copy it again"
        }
    return {}


def _check_numbers(config: Config) -> dict[str, str]:
    return {
        name: "must be a finite number"
        for name, value in config.items()
        if isinstance(value, float | Decimal) and not math.isfinite(value)
    }


def _check_flattening(config: Config) -> dict[str, str]:
    if config.get("flattening_enabled") and "flattening_max_depth" not in config:
        return {"flattening_max_depth": "is missing; `flattening_enabled` needs it"}
    return {}


def _check_batches(config: Config) -> dict[str, str]:
    # BATCH files skip the maps, and a masked column would be written in clear; see
    # https://github.com/meltano/sdk/issues/1117.
    if config.get("batch_config") and config.get("stream_maps"):
        return {
            "batch_config": "cannot be combined with `stream_maps`, which BATCH files "
            "would skip; leave one of them out"
        }
    # The rows of BATCH files carry no version, so a target would take all of them for
    # rows of an earlier one, and delete them.
    if config.get("batch_config") and config.get("emit_activate_version_messages"):
        return {
            "batch_config": "cannot be combined with `emit_activate_version_messages`, "
            "at which a target would delete the rows of BATCH files; leave one of them "
            "out"
        }
    batches = config.get("batch_config") or {"encoding": {}, "storage": {}}
    known = {"encoding", "storage", "batch_size"}
    if not {"encoding", "storage"} <= batches.keys() <= known:
        return {"batch_config": "must be an object with `encoding` and `storage`"}
    return {}


def _check_date(config: Config) -> dict[str, str]:
    try:
        timestamps.normalize(config.get("start_date") or timestamps.EPOCH)
    except ValueError:
        return {"start_date": "must be a date-time such as 2024-01-31T00:00:00Z"}
    return {}


def _check_url(config: Config) -> dict[str, str]:
    url = config.get("api_url") or "https://api.hubapi.com"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return {"api_url": "must be an address such as https://api.hubapi.com"}
    safe = {"https", "http"} if _is_loopback(host) else {"https"}
    if not host or parts.scheme not in safe:
        return {
            "api_url": "must begin with https:// so that the credential is not sent "
            "in clear; http:// is only accepted for a loopback address"
        }
    if parts.username or parts.password or parts.query or parts.fragment:
        return {"api_url": "must be https://, a host and at most a port and a path"}
    try:
        host.encode("idna")
        requests.Request("GET", url).prepare()
    except (requests.RequestException, UnicodeError):
        return {"api_url": "must be an address such as https://api.hubapi.com"}
    if re.search(r"[\s{}\\]", url):
        return {"api_url": "holds a character that an address cannot have"}
    return {}


def _check_contact(config: Config) -> dict[str, str]:
    # HubSpot's rule, which it would answer with a 400.
    if "associated_contact_id" not in config:
        return {}
    if "inbox_ids" in config:
        return {
            "associated_contact_id": "cannot be combined with `inbox_ids`; leave one "
            "of them out"
        }
    if "thread_status" not in config:
        return {"thread_status": "is missing; `associated_contact_id` needs it"}
    return {}


_CHECKS = (
    _check_credential,
    _check_numbers,
    _check_flattening,
    _check_date,
    _check_url,
    _check_contact,
    _check_batches,
)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
