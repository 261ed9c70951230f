"""What can go wrong with a venue, told apart by what helps."""

from __future__ import annotations

from fullon.kernel.errors import Conflict, Corrupt, Forbidden, Invalid, LimitExceeded, NotFound, TimedOut, Unavailable


class UnknownVenue(NotFound):
    """The catalogue has no such venue."""

    default_code = "unknown_exchange"

    def __init__(self) -> None:
        super().__init__("There is no such exchange in the catalogue.")


class UnknownSymbol(NotFound):
    """The catalogue, or the venue, has no such symbol."""

    default_code = "unknown_symbol"

    def __init__(self, detail: str = "There is no such symbol.", *, exchange: str | None = None) -> None:
        super().__init__(detail, **({} if exchange is None else {"exchange": exchange}))


class VenueDown(Unavailable):
    """The venue cannot be reached, is under maintenance, or answered something unusable; again later."""

    default_code = "venue_down"


class StreamSilent(VenueDown):
    """A stream says nothing although its socket is open."""

    default_code = "stream_silent"


class VenueTimedOut(TimedOut):
    """The venue did not answer in time; whether it acted is not known."""

    default_code = "venue_timed_out"


class VenueLimit(LimitExceeded):
    """The venue says: slower."""

    default_code = "venue_limit"


class VenueRefusesKey(Forbidden):
    """The venue does not accept the key, or not for this."""

    default_code = "venue_refuses_key"


class VenueRefuses(Invalid):
    """The venue understood and says no; asking again changes nothing."""

    default_code = "venue_refuses"


class NotOffered(Invalid):
    """The venue does not have this kind of data or action."""

    default_code = "not_offered"


class AccountNotFound(NotFound):
    """The caller has no such exchange account."""

    default_code = "account_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such exchange account.")


class AccountNameTaken(Conflict):
    """The caller has an account of that name at this venue."""

    default_code = "account_name_taken"

    def __init__(self) -> None:
        super().__init__("You have an account of this name at this exchange already.")


class AccountNameAmbiguous(Conflict):
    """The caller has accounts of that name at several venues."""

    default_code = "account_name_ambiguous"

    def __init__(self) -> None:
        super().__init__("You have accounts of this name at several exchanges; say which with cat_ex_id.")


class AccountHasOrders(Conflict):
    """Orders of the account are alive."""

    default_code = "account_has_orders"

    def __init__(self, orders: int) -> None:
        super().__init__(f"{orders} orders of this account are alive; cancel them first.", orders=orders)


class AccountChanged(Conflict):
    """The account is no longer what was looked at."""

    default_code = "account_changed"

    def __init__(self) -> None:
        super().__init__("The account got other keys or settings meanwhile; look at it again.")


class TooManyAccounts(Conflict):
    """A user has as many exchange accounts as one may have."""

    default_code = "too_many_accounts"

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} exchange accounts, which is the most; remove one first.", limit=limit)


class WrongApiKey(Invalid):
    """The venue does not know the key, has it switched off, or binds it to other addresses."""

    default_code = "wrong_api_key"


class WrongApiSecret(Invalid):
    """The key is known and the secret is not its own."""

    default_code = "wrong_api_secret"


class WrongPassphrase(Invalid):
    """The passphrase is missing or not that of the key."""

    default_code = "wrong_passphrase"


class KeyCannotRead(Invalid):
    """The key may not even look at the account."""

    default_code = "key_cannot_read"


class KeyCanWithdraw(Conflict):
    """The key may take money out, which no bot needs."""

    default_code = "key_can_withdraw"


class VenueClockDiffers(Unavailable):
    """The venue refuses signed requests because its clock and ours are too far apart."""

    default_code = "venue_clock"


class SealBroken(Corrupt):
    """Sealed keys were changed, or put in another account's place."""

    default_code = "seal_broken"

    def __init__(self) -> None:
        super().__init__("The stored keys of this account cannot be opened; enter them anew.")


class MasterKeyMissing(Corrupt):
    """The master key of sealed keys is not among those of this process."""

    default_code = "master_key_missing"

    def __init__(self, key_id: str) -> None:
        super().__init__("The keys of this account are sealed by a master key that is not in use here.", key_id=key_id)


class MasterKeyUnavailable(Unavailable):
    """The service that has the master key does not answer, or not to us."""

    default_code = "master_key_unavailable"

    def __init__(self, aws_code: str | None = None) -> None:
        facts = {} if aws_code is None else {"aws_code": aws_code}
        super().__init__("Keys cannot be sealed or opened at present; try again shortly.", retry_after=5, **facts)


class SealingNotSetUp(Unavailable):
    """No master key is configured."""

    default_code = "sealing_not_set_up"

    def __init__(self) -> None:
        super().__init__("Keys of exchanges cannot be kept here: no master key is configured.")


class AccountDaemonDown(Unavailable):
    """Venues are asked by the account daemon, and it does not run."""

    default_code = "account_daemon_down"

    def __init__(self) -> None:
        super().__init__(
            "Exchanges are asked by the account daemon, which is not running; an admin can start the service account.",
            retry_after=10,
        )


class AccountDaemonSilent(TimedOut):
    """The account daemon was asked and did not reply in time."""

    default_code = "account_daemon_silent"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The account daemon, which asks the exchange, did not reply within {seconds:g} s; try again.")
