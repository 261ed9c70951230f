"""What the venue answers when it refuses: Binance's error bodies, ``{"code": -1121, "msg": "Invalid symbol."}``.

Codes and sentences follow Binance's public "Error codes" page for the spot API.
"""

from __future__ import annotations


class VenueError(Exception):
    """A refusal as Binance words it.

    Args:
        code: Binance's negative code.
        message: its sentence.
        status: HTTP status.
        headers: more headers of the answer, ``Retry-After`` for one.
    """

    def __init__(self, code: int, message: str, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.headers = headers or {}

    def body(self) -> dict[str, object]:
        return {"code": self.code, "msg": self.message}


def invalid_symbol() -> VenueError:
    return VenueError(-1121, "Invalid symbol.")


def invalid_interval() -> VenueError:
    return VenueError(-1120, "Invalid interval.")


def missing(name: str) -> VenueError:
    return VenueError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, legal: str) -> VenueError:
    return VenueError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def invalid_data(name: str) -> VenueError:
    return VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")


def unread(read: int, sent: int) -> VenueError:
    return VenueError(-1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.")


def bad_combination() -> VenueError:
    return VenueError(-1128, "Combination of optional parameters invalid.")
