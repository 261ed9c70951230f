"""What can go wrong with an identity."""

from __future__ import annotations

from fullon.kernel.errors import Conflict, Forbidden, LimitExceeded, NotFound, Unauthenticated


class WrongCredentials(Unauthenticated):
    """Unknown user, wrong password and deactivated user get this one answer."""

    default_code = "wrong_credentials"

    def __init__(self) -> None:
        super().__init__("The mail address or the password is wrong.")


class SessionEnded(Unauthenticated):
    """The session was revoked, or its user deactivated."""

    default_code = "session_ended"

    def __init__(self) -> None:
        super().__init__("This session has ended; log in again.")


class InvalidCredential(Unauthenticated):
    """A token, key or ticket that is not ours, was changed, is over, or was used before."""

    default_code = "invalid_credential"

    def __init__(self, what: str) -> None:
        super().__init__(f"This {what} is not valid.")


class RefreshTokenReused(Unauthenticated):
    """A refresh token was shown a second time: one of its two holders stole it, so the session ended for both."""

    default_code = "refresh_token_reused"

    def __init__(self) -> None:
        super().__init__("This refresh token was used before, so its session has ended; log in again.")


class WrongPassword(Forbidden):
    """The present password, asked for again before a change, is wrong; the session stays."""

    default_code = "wrong_password"

    def __init__(self) -> None:
        super().__init__("The old password is wrong.")


class TooManyAttempts(LimitExceeded):
    """Logins are slowed down after failures.

    Args:
        retry_after: seconds until the next attempt is looked at.
        limit: failures that the exceeded window allows.
    """

    default_code = "too_many_attempts"

    def __init__(self, retry_after: int, limit: int) -> None:
        super().__init__(
            f"Too many failed attempts; try again in {retry_after} seconds.", retry_after=retry_after, limit=limit
        )


class RegistrationClosed(Forbidden):
    """This installation's admin creates the users."""

    default_code = "registration_closed"

    def __init__(self) -> None:
        super().__init__("Registration is closed here; ask an admin for an account.")


class LoginRequired(Forbidden):
    """A key must not outlive its own revocation by making another, so some things need a login."""

    default_code = "login_required"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} needs a login; an API key cannot do it.")


class MailTaken(Conflict):
    """Another user has this mail address."""

    default_code = "mail_taken"

    def __init__(self) -> None:
        super().__init__("This mail address is taken.")


class LastAdmin(Conflict):
    """Nobody would be left to administer the installation."""

    default_code = "last_admin"

    def __init__(self) -> None:
        super().__init__("This is the last active admin; make somebody else admin first.")


class TooManyKeys(Conflict):
    """A user has as many API keys as one may have."""

    default_code = "too_many_keys"

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} API keys, which is the most; delete one first.", limit=limit)


class ScopeNotAllowed(Forbidden):
    """A key cannot be given more than its owner's role allows."""

    default_code = "scope_not_allowed"

    def __init__(self, role: str, scopes: list[str]) -> None:
        super().__init__(f"The role {role} does not allow the scope {' or '.join(scopes)}.", role=role, scopes=scopes)


class UserNotFound(NotFound):
    """There is no such user."""

    def __init__(self) -> None:
        super().__init__("There is no such user.")


class KeyNotFound(NotFound):
    """There is no such key for this caller; a foreign one answers the same."""

    def __init__(self) -> None:
        super().__init__("There is no such API key.")
