"""What can go wrong with a venue, told apart by what helps."""

from __future__ import annotations

from fullon.kernel.errors import Forbidden, Invalid, LimitExceeded, NotFound, TimedOut, Unavailable


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
