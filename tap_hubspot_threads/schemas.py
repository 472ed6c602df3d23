"""The fields of each stream.

Names and meaning are from HubSpot's reference of the API version 2026-09-beta;
2026-09 and v3 have the same. Which fields a row may lack is not relied on: all but
the id may be null.
"""

from __future__ import annotations

import typing as t

from singer_sdk import typing as th

THREAD: dict[str, t.Any] = th.PropertiesList(
    th.Property(
        "id",
        th.StringType(nullable=False),
        required=True,
        description="Id of the thread, a string of digits.",
    ),
    th.Property(
        "createdAt",
        th.DateTimeType,
        description="When the thread was created.",
    ),
    th.Property(
        "closedAt",
        th.DateTimeType,
        description="When the thread was closed; null while it is open.",
    ),
    th.Property(
        "status",
        th.StringType,
        description="OPEN or CLOSED; a status that HubSpot adds passes through.",
    ),
    th.Property(
        "latestMessageTimestamp",
        th.DateTimeType,
        description="When the latest message was sent or received; null for a "
        "thread without one. Closing, assigning, archiving and the like do not "
        "move it.",
    ),
    th.Property(
        "latestMessageSentTimestamp",
        th.DateTimeType,
        description="When the latest message was sent from HubSpot.",
    ),
    th.Property(
        "latestMessageReceivedTimestamp",
        th.DateTimeType,
        description="When the latest message was received from the contact.",
    ),
    th.Property(
        "assignedTo",
        th.StringType,
        description="Actor the thread is assigned to, such as A-2620022: A agent, "
        "B bot, E e-mail, I integration, L AI agent, S system, V visitor.",
    ),
    th.Property(
        "associatedContactId",
        th.StringType,
        description="Id of the contact, or a visitor id that the CRM does not know.",
    ),
    th.Property(
        "inboxId",
        th.StringType,
        description="Id of the conversations inbox the thread is in.",
    ),
    th.Property(
        "originalChannelId",
        th.StringType,
        description="Channel the thread began on: 1000 live chat, 1001 Facebook "
        "Messenger, 1002 e-mail, 1003 forms, 1007 WhatsApp; custom channels "
        "have others.",
    ),
    th.Property(
        "originalChannelAccountId",
        th.StringType,
        description="Account of that channel, such as one e-mail address.",
    ),
    th.Property(
        "spam",
        th.BooleanType,
        description="Whether the thread is marked as spam.",
    ),
    th.Property(
        "archived",
        th.BooleanType,
        description="Whether the thread is in the trash, from where HubSpot "
        "deletes it after 30 days.",
    ),
    th.Property(
        "threadAssociations",
        th.ObjectType(
            th.Property(
                "associatedTicketId",
                th.StringType,
                description="Id of the ticket the thread is linked to.",
            ),
            additional_properties=False,
        ),
        description="CRM objects the thread is linked to.",
    ),
).to_dict()

INBOX: dict[str, t.Any] = th.PropertiesList(
    th.Property(
        "id",
        th.StringType(nullable=False),
        required=True,
        description="Id of the inbox, as in `threads.inboxId`.",
    ),
    th.Property("name", th.StringType, description="Name of the inbox."),
    th.Property("type", th.StringType, description="INBOX or HELP_DESK."),
    th.Property(
        "createdAt", th.DateTimeType, description="When the inbox was created."
    ),
    th.Property(
        "updatedAt", th.DateTimeType, description="When the inbox was last changed."
    ),
    th.Property("archived", th.BooleanType, description="Whether it is archived."),
    th.Property(
        "archivedAt",
        th.DateTimeType,
        description="When the inbox was archived; null while it is not.",
    ),
).to_dict()

CHANNEL: dict[str, t.Any] = th.PropertiesList(
    th.Property(
        "id",
        th.StringType(nullable=False),
        required=True,
        description="Id of the channel, as in `threads.originalChannelId`. Built-in "
        "channels have the same id in all HubSpot accounts.",
    ),
    th.Property(
        "name",
        th.StringType,
        description="Name of the channel, such as LIVE_CHAT or EMAIL.",
    ),
).to_dict()

CHANNEL_ACCOUNT: dict[str, t.Any] = th.PropertiesList(
    th.Property(
        "id",
        th.StringType(nullable=False),
        required=True,
        description="Id of the channel account, as in "
        "`threads.originalChannelAccountId`. Threads may point to accounts that "
        "HubSpot no longer lists, so join from the left.",
    ),
    th.Property("name", th.StringType, description="Name of the channel account."),
    th.Property(
        "channelId", th.StringType, description="Id of the channel it belongs to."
    ),
    th.Property(
        "inboxId", th.StringType, description="Id of the inbox it is connected to."
    ),
    th.Property("active", th.BooleanType, description="Whether it is in use."),
    th.Property(
        "authorized",
        th.BooleanType,
        description="Whether HubSpot is still authorized to use it.",
    ),
    th.Property("archived", th.BooleanType, description="Whether it is archived."),
    th.Property(
        "createdAt", th.DateTimeType, description="When the account was created."
    ),
    th.Property(
        "archivedAt",
        th.DateTimeType,
        description="When the account was archived; null while it is not.",
    ),
    th.Property(
        "deliveryIdentifier",
        th.ObjectType(
            th.Property(
                "type",
                th.StringType,
                description="HS_EMAIL_ADDRESS, HS_PHONE_NUMBER, HS_SHORT_CODE or "
                "CHANNEL_SPECIFIC_OPAQUE_ID.",
            ),
            th.Property(
                "value",
                th.StringType,
                description="The address itself, such as an e-mail address.",
            ),
            additional_properties=False,
        ),
        description="Where messages to this account are sent.",
    ),
).to_dict()

ACTOR: dict[str, t.Any] = th.PropertiesList(
    th.Property(
        "id",
        th.StringType(nullable=False),
        required=True,
        description="Id of the actor, as in `threads.assignedTo`, such as A-2620022.",
    ),
    th.Property(
        "type",
        th.StringType,
        description="AGENT, BOT, EMAIL, INTEGRATOR, LLM, SYSTEM or VISITOR.",
    ),
    th.Property(
        "name",
        th.StringType,
        description="Name of the actor; null if it has none or HubSpot no longer knows "
        "the actor.",
    ),
    th.Property(
        "email",
        th.StringType,
        description="E-mail address, of agents, visitors and e-mail actors only.",
    ),
    th.Property("avatar", th.StringType, description="URL of a picture."),
).to_dict()
