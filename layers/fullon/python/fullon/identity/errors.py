"""What can go wrong with an identity."""

from __future__ import annotations

from fullon.kernel.errors import Unauthenticated


class WrongCredentials(Unauthenticated):
    """Unknown user and wrong password get this one answer."""

    default_code = "wrong_credentials"

    def __init__(self) -> None:
        super().__init__("The mail address or the password is wrong.")


class SessionEnded(Unauthenticated):
    """The session was revoked, or its user deactivated."""

    default_code = "session_ended"

    def __init__(self) -> None:
        super().__init__("This session has ended; log in again.")
