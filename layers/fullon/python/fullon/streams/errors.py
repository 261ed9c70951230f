"""What can be wrong with a socket's connection or with one of its frames."""

from __future__ import annotations

from collections.abc import Iterable

from fullon.kernel.errors import Forbidden, Invalid, LimitExceeded, NotFound


class UnreadableFrame(Invalid):
    """A frame that is not a JSON object with an action."""

    default_code = "unreadable_frame"


class UnknownAction(Invalid):
    """There is no such action."""

    default_code = "unknown_action"

    def __init__(self, action: str, known: Iterable[str]) -> None:
        super().__init__(
            f"There is no action {_quoted(action)}; use one of {', '.join(known)}.", fields={"action": "unknown"}
        )


class UnknownChannel(Invalid):
    """There is no such channel."""

    default_code = "unknown_channel"

    def __init__(self, channel: str, known: Iterable[str]) -> None:
        super().__init__(
            f"There is no channel {_quoted(channel)}; use one of {', '.join(known)}.", fields={"channel": "unknown"}
        )


class UnknownExchange(NotFound):
    """The catalogue has no such active exchange."""

    default_code = "unknown_exchange"

    def __init__(self, exchange: str) -> None:
        super().__init__(f"There is no exchange {_quoted(exchange)}.", exchange=exchange[:64])


class UnknownSymbols(NotFound):
    """The exchange has no such active symbols."""

    default_code = "unknown_symbol"

    def __init__(self, exchange: str, symbols: list[str]) -> None:
        shown = ", ".join(symbol[:64] for symbol in symbols[:5])
        more = f" and {len(symbols) - 5} more" if len(symbols) > 5 else ""
        super().__init__(
            f"The exchange {exchange} has no symbol {shown}{more}.", symbols=[symbol[:64] for symbol in symbols[:50]]
        )


class UnknownAccount(NotFound):
    """The caller has no such exchange account."""

    default_code = "account_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such exchange account.")


class UnknownBot(NotFound):
    """The caller has no such bot."""

    default_code = "bot_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such bot.")


class ChannelForbidden(Forbidden):
    """The channel is for others."""

    default_code = "channel_forbidden"

    def __init__(self, channel: str, needs: str) -> None:
        super().__init__(f"The channel {channel} needs {needs}.")


class TooManySubscriptions(LimitExceeded):
    """A user has as many subscriptions as one may have; unsubscribe from some first."""

    default_code = "too_many_subscriptions"

    def __init__(self, limit: int, asked: int, held: int) -> None:
        super().__init__(
            f"One user may have {limit} subscriptions; this frame asks for {asked} more on top of {held}.",
            retry_after=0,
            limit=limit,
        )


class TooManyConnections(LimitExceeded):
    """A user has as many sockets open as one may have."""

    default_code = "too_many_connections"

    def __init__(self, limit: int) -> None:
        super().__init__(f"One user may have {limit} connections; close one first.", retry_after=0, limit=limit)


class TooManyFrames(LimitExceeded):
    """A user sends faster than one may; the frame was not looked at."""

    default_code = "too_many_frames"

    def __init__(self, limit: int, seconds: int, retry_after: int) -> None:
        super().__init__(
            f"One user may send {limit} frames in {seconds} seconds; try again in {retry_after} seconds.",
            retry_after=retry_after,
            limit=limit,
        )


def _quoted(text: str) -> str:
    """A claim of the client, short enough to be shown."""
    return repr(text if len(text) <= 64 else text[:61] + "...")
