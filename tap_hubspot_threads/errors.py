"""What ends a run, and what only delays it.

Every message is one line that names the cause and the remedy and is safe to log:
it may quote HubSpot's error category, message and correlation id, never a token,
a row or another part of an answer's body. The command prints it and exits with 1.

    FatalAPIError (singer_sdk)
    └── HubSpotError            the run ends, resumable from its last STATE
        ├── RequestRefused      HubSpot understood the request and said no
        ├── UnreadableAnswer    an answer that is no page of threads
        ├── EndlessListing      pages that would go on for ever
        └── GaveUp              the waiting time for one request is used up
    RetriableAPIError (singer_sdk)
    └── PassingFault            worth another try; see ``retry``

Settings that do not fit are the SDK's ``ConfigValidationError``.
"""

from __future__ import annotations

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError


class HubSpotError(FatalAPIError):
    """A run cannot go on. The message says why and what to do."""


class RequestRefused(HubSpotError):
    """HubSpot answered with a status that another try would not change."""


class UnreadableAnswer(HubSpotError):
    """An answer that cannot be taken for a page of threads."""


class EndlessListing(HubSpotError):
    """A listing whose pages do not get anywhere."""


class GaveUp(HubSpotError):
    """A fault lasted longer than the run may wait for one request."""


class PassingFault(RetriableAPIError):
    """A fault that may be gone at the next try.

    Attributes:
        kind: The row of the retry table in ``retry`` that applies.
        retry_after: Seconds that HubSpot asked to wait, where it did.
    """

    def __init__(
        self, message: str, *, kind: str, retry_after: float | None = None
    ) -> None:
        """Keep the message (one safe line) with what decides the wait."""
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after
