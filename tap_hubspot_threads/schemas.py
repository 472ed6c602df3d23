"""The fields of a thread.

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
