"""The fields of each stream.

Names and meaning are from HubSpot's reference of the API version 2026-09-beta;
2026-09 and v3 have the same. Which fields a row may lack is not relied on: all but
the id may be null.
"""

from __future__ import annotations

import typing as t

from singer_sdk import typing as th


def _key(name: str, description: str) -> th.Property[str]:
    """Return a field of the primary key."""
    kind = th.StringType(nullable=False)
    return th.Property(name, kind, required=True, description=description)


THREAD: dict[str, t.Any] = th.PropertiesList(
    _key(
        "id",
        "Id of the thread, a string of digits.",
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
        "B bot, E email, I integration, L AI agent, S system, V visitor.",
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
        "Messenger, 1002 email, 1003 forms, 1007 WhatsApp; custom channels "
        "have others.",
    ),
    th.Property(
        "originalChannelAccountId",
        th.StringType,
        description="Account of that channel, such as one email address.",
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
    _key(
        "id",
        "Id of the inbox, as in `threads.inboxId`.",
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
    _key(
        "id",
        "Id of the channel, as in `threads.originalChannelId`. Built-in "
        "channels have the same id in all HubSpot accounts.",
    ),
    th.Property(
        "name",
        th.StringType,
        description="Name of the channel, such as LIVE_CHAT or EMAIL.",
    ),
).to_dict()

CHANNEL_ACCOUNT: dict[str, t.Any] = th.PropertiesList(
    _key(
        "id",
        "Id of the channel account, as in "
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
                description="The address itself, such as an email address.",
            ),
            additional_properties=False,
        ),
        description="Where messages to this account are sent.",
    ),
).to_dict()

ACTOR: dict[str, t.Any] = th.PropertiesList(
    _key(
        "id",
        "Id of the actor, as in `threads.assignedTo`, such as A-2620022.",
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
        description="Email address, of agents, visitors and email actors only.",
    ),
    th.Property("avatar", th.StringType, description="URL of a picture."),
).to_dict()


def _open(*, many: bool = False) -> t.Any:  # noqa: ANN401
    """Return the type of an object, or a list of objects, with any members."""
    kind = th.ObjectType(additional_properties=True)
    return th.ArrayType(kind) if many else kind


MESSAGE: dict[str, t.Any] = th.PropertiesList(
    _key(
        "id",
        "Id of the message or event. Whether it is unique across threads "
        "is unknown, so the thread is part of the key.",
    ),
    _key("conversationsThreadId", "Id of the thread, as in `threads.id`."),
    th.Property(
        "type",
        th.StringType,
        description="MESSAGE, COMMENT, WELCOME_MESSAGE, ASSIGNMENT, "
        "THREAD_STATUS_CHANGE or THREAD_INBOX_CHANGE; a type that HubSpot adds passes "
        "through.",
    ),
    th.Property(
        "createdAt",
        th.DateTimeType,
        description="When it was sent or happened. Incoming mail has its own date, in "
        "whole seconds, and appears some seconds later.",
    ),
    th.Property("updatedAt", th.DateTimeType, description="When it was last changed."),
    th.Property(
        "createdBy",
        th.StringType,
        description="Actor who sent or did it, as in `actors`.",
    ),
    th.Property(
        "client",
        th.ObjectType(
            th.Property(
                "clientType",
                th.StringType,
                description="HUBSPOT, INTEGRATION or SYSTEM.",
            ),
            th.Property(
                "integrationAppId",
                th.IntegerType,
                description="Id of the app, if one created it.",
            ),
            additional_properties=True,
        ),
        description="Where it was created.",
    ),
    th.Property(
        "senders",
        _open(many=True),
        description="Who sent it: `actorId`, `name`, `senderField`, "
        "`deliveryIdentifier`.",
    ),
    th.Property(
        "recipients",
        _open(many=True),
        description="Who received it: `actorId`, `name`, `recipientField`, "
        "`deliveryIdentifier`.",
    ),
    th.Property(
        "archived", th.BooleanType, description="Whether the message is archived."
    ),
    th.Property(
        "text",
        th.StringType,
        description="Text of a message or comment. It can hold HTML, be truncated, or "
        "be empty while `richText` has the body.",
    ),
    th.Property("richText", th.StringType, description="The same as HTML."),
    th.Property(
        "attachments",
        _open(many=True),
        description="Files and the like. The URL of a file is valid for about a day.",
    ),
    th.Property("subject", th.StringType, description="Subject of a mail."),
    th.Property(
        "direction",
        th.StringType,
        description="INCOMING or OUTGOING. A mail that staff sent from another mailbox "
        "can be INCOMING.",
    ),
    th.Property(
        "channelId", th.StringType, description="Id of the channel, as in `channels`."
    ),
    th.Property(
        "channelAccountId",
        th.StringType,
        description="Id of the channel account, as in `channel_accounts`.",
    ),
    th.Property(
        "truncationStatus",
        th.StringType,
        description="NOT_TRUNCATED, TRUNCATED or TRUNCATED_TO_MOST_RECENT_REPLY.",
    ),
    th.Property(
        "inReplyToId", th.StringType, description="Id of the mail that it replies to."
    ),
    th.Property(
        "status",
        th.ObjectType(
            th.Property(
                "statusType",
                th.StringType,
                description="SENT, RECEIVED, READ or FAILED.",
            ),
            additional_properties=True,
        ),
        description="What became of the message, with `failureDetails` if it was not "
        "sent. It can change later.",
    ),
    th.Property(
        "assignedFrom",
        th.StringType,
        description="Of an ASSIGNMENT, the actor who had the thread before.",
    ),
    th.Property(
        "assignedTo",
        th.StringType,
        description="Of an ASSIGNMENT, the actor who has the thread now.",
    ),
    th.Property(
        "newStatus",
        th.StringType,
        description="Of a THREAD_STATUS_CHANGE, OPEN or CLOSED.",
    ),
    th.Property(
        "fromInboxId",
        th.StringType,
        description="Of a THREAD_INBOX_CHANGE, the inbox that the thread was in.",
    ),
    th.Property(
        "toInboxId",
        th.StringType,
        description="Of a THREAD_INBOX_CHANGE, the inbox that the thread is in now.",
    ),
    th.Property(
        "originalText",
        th.StringType,
        description="Whole text of a truncated message, with "
        "`include_original_content`.",
    ),
    th.Property(
        "originalRichText",
        th.StringType,
        description="Whole HTML of a truncated message, with "
        "`include_original_content`.",
    ),
).to_dict()
