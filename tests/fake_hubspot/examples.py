"""HubSpot's published example."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .entry import Row

EXAMPLES: tuple[Row, ...] = (
    {
        "id": "176347007",
        "createdAt": "2019-11-18T18:47:59.865Z",
        "closedAt": "2019-11-18T18:50:06.872Z",
        "status": "CLOSED",
        "originalChannelId": "1000",
        "originalChannelAccountId": "148662",
        "latestMessageTimestamp": "2019-11-18T18:50:00.279Z",
        "latestMessageSentTimestamp": "2019-11-18T18:48:38.788Z",
        "latestMessageReceivedTimestamp": "2019-11-18T18:50:00.279Z",
        "assignedTo": "A-2620022",
        "spam": False,
        "inboxId": "481939",
        "associatedContactId": "1401",
        "archived": False,
        "threadAssociations": {"associatedTicketId": "57774743"},
    },
    {
        "id": "176350633",
        "createdAt": "2019-11-18T18:53:05.680Z",
        "closedAt": "2019-11-18T18:53:59.783Z",
        "status": "CLOSED",
        "originalChannelId": "1000",
        "originalChannelAccountId": "148662",
        "latestMessageTimestamp": "2019-11-18T18:53:56.694Z",
        "latestMessageSentTimestamp": "2019-11-18T18:53:56.694Z",
        "latestMessageReceivedTimestamp": "2019-11-18T18:53:52.199Z",
        "assignedTo": "A-2620022",
        "spam": False,
        "inboxId": "481939",
        "associatedContactId": "1451",
        "archived": False,
    },
)
"""The two rows that HubSpot publishes as the example of this endpoint's answer."""
