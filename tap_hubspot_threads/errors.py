"""What ends a run, and what only delays it.

Every message is one line that names the cause and the remedy and is safe to log. It may
quote HubSpot's error category, message and correlation ID. It never quotes a token, a
row or any other part of a response.

    FatalAPIError (singer_sdk)
    └── HubSpotError            the run ends; the next one resumes from the last STATE
        ├── CredentialRefused   HubSpot issues no access token
        ├── RequestRefused      HubSpot understood the request and said no
        ├── InvalidResponse     a response that cannot be a page
        ├── EndlessListing      pages that lead nowhere
        └── RetriesExhausted    the time for one request is used up
    SingerSDKError (singer_sdk)
    └── StreamMapError          an expression of the user's failed
    RetriableAPIError (singer_sdk)
    └── TransientError          worth another try; see ``retry``

Invalid settings raise the SDK's ``ConfigValidationError``.
"""

from __future__ import annotations

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError, SingerSDKError


class HubSpotError(FatalAPIError):
    """The run cannot continue. The message says why and what to do."""


class CredentialRefused(HubSpotError):
    """HubSpot issues no access token for the OAuth settings."""


class RequestRefused(HubSpotError):
    """HubSpot answered with a status that another try would not change.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, message: str, *, status: int) -> None:
        """Keep the message and the status."""
        super().__init__(message)
        self.status = status


class InvalidResponse(HubSpotError):
    """A response with status 200 that is not what was asked for."""


class EndlessListing(HubSpotError):
    """A listing whose pages lead nowhere."""


class RetriesExhausted(HubSpotError):
    """A transient error lasted longer than the run may spend on one request."""


class TransientError(RetriableAPIError):
    """An error that may be gone at the next try.

    Attributes:
        kind: The row of the table in ``retry`` that applies.
        retry_after: Seconds that HubSpot asks to wait; None if it does not say.
    """

    def __init__(
        self, message: str, *, kind: str, retry_after: float | None = None
    ) -> None:
        """Keep the message, one line that is safe to log, and what decides the wait."""
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after


class StreamMapError(SingerSDKError):
    """An expression of the setting `stream_maps` failed for a row."""

    def __init__(self, error: Exception) -> None:
        """Name the type of the error. Its message may quote the row."""
        super().__init__(
            f"An expression of the setting `stream_maps` failed ({type(error).__name__}"
            "); change it so that it can be evaluated for every row, including rows "
            "whose fields are null"
        )
