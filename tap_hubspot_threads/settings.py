"""The settings of the tap. See ``validation`` for what makes them valid."""

from __future__ import annotations

from singer_sdk import typing as th

SETTINGS = th.PropertiesList(
    th.Property(
        "access_token",
        th.StringType,
        secret=True,
        title="Access token",
        description="Private-app token, service key or OAuth access token with the "
        "scope `conversations.read`. Set either this or the three OAuth settings.",
    ),
    th.Property(
        "client_id",
        th.StringType,
        secret=True,
        title="OAuth client ID",
        description="Client ID of an OAuth app. Set it with `client_secret` and "
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
        description="Refresh token of the OAuth app for the account, with the scope "
        "`conversations.read`.",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Extract only threads whose latest message is not older than this. "
        "A date-time without a time zone is UTC. By default, all threads are "
        "extracted.",
    ),
    th.Property(
        "lookback_seconds",
        th.IntegerType(minimum=0),
        default=300,
        title="Overlap in seconds",
        description="How far before its bookmark a run starts reading, for threads "
        "that HubSpot shows with a delay.",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=500),
        default=500,
        title="Threads per request",
        description="Most threads in a response; 500 is the maximum that HubSpot "
        "documents.",
    ),
    th.Property(
        "max_parallel_requests",
        th.IntegerType(minimum=1, maximum=16),
        default=4,
        title="Parallel requests",
        description="How many requests may run at once, at most 16. A first load is "
        "read in slices of time. The tap stays below HubSpot's rate limit in any case.",
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
        title="API URL",
        description="Base URL of the API. Must be https; http is accepted for a "
        "loopback address only, to test against a server of your own.",
    ),
    th.Property(
        "sweep_interval_hours",
        th.NumberType(minimum=0, maximum=87_600),
        default=12,
        title="Hours between sweeps",
        description="How often to read all threads, to find changes that come without "
        "a message: closing, assigning, archiving, deleting. Fractions are allowed; 0 "
        "means never.",
    ),
    th.Property(
        "include_archived",
        th.BooleanType,
        default=True,
        title="Include archived threads",
        description="Whether a sweep reads the threads in HubSpot's trash as well.",
    ),
    th.Property(
        "emit_activate_version_messages",
        th.BooleanType,
        default=False,
        title="Emit ACTIVATE_VERSION messages",
        description="Whether a complete sweep, and a complete list of inboxes and the "
        "like, ends with ACTIVATE_VERSION. A target that supports it then marks or "
        "deletes what HubSpot no longer has.",
    ),
    th.Property(
        "include_visitors",
        th.BooleanType,
        default=False,
        title="Include visitors",
        description="Whether `actors` includes customers (IDs that begin with `V-` or "
        "`E-`), with their names and email addresses.",
    ),
    th.Property(
        "include_messages",
        th.BooleanType,
        default=False,
        title="Include messages",
        description="Whether to extract the stream `messages`, which takes a request "
        "for each thread and holds customers' words, names and addresses.",
    ),
    th.Property(
        "include_original_content",
        th.BooleanType,
        default=False,
        title="Include original content",
        description="Whether to fetch the whole text of each message that HubSpot "
        "lists truncated, with one more request for each. Has no effect without "
        "`include_messages`.",
    ),
    th.Property(
        "daily_limit_reserve",
        th.NumberType(minimum=0, maximum=100),
        default=10,
        title="Reserve of the daily limit in percent",
        description="Percent of the account's daily limit of requests that `messages` "
        "reserves for other apps. When the rest is used up, `messages` stops, and the "
        "next run continues.",
    ),
    th.Property(
        "inbox_ids",
        th.ArrayType(th.IntegerType(minimum=0, nullable=False)),
        title="Inboxes",
        description="IDs of the inboxes whose threads to extract, such as [481939]. By "
        "default, those of all inboxes. Each inbox has its own requests and its own "
        "bookmark.",
    ),
    th.Property(
        "associated_contact_id",
        th.IntegerType(minimum=0),
        title="Contact",
        description="ID of the contact whose threads to extract. Requires "
        "`thread_status`, and cannot be combined with `inbox_ids`.",
    ),
    th.Property(
        "associated_ticket_id",
        th.IntegerType(minimum=0),
        title="Ticket",
        description="ID of the ticket whose threads to extract.",
    ),
    th.Property(
        "thread_status",
        th.StringType(allowed_values=["OPEN", "CLOSED"]),
        title="Status",
        description="Extract only `OPEN` or only `CLOSED` threads. A thread that "
        "changes to the other status keeps its old row in the warehouse.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0, maximum=3600),
        default=60,
        title="Request timeout in seconds",
        description="How many seconds to wait for HubSpot to send something before the "
        "request is tried again.",
    ),
    th.Property(
        "max_retry_seconds",
        th.NumberType(minimum=0),
        default=600,
        title="Longest time for one request in seconds",
        description="How long a run may try one request while HubSpot or the network "
        "has a transient error. After that the run fails. The next run resumes where "
        "it stopped.",
    ),
)
