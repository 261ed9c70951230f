"""Who is asking: API key, signature, time and permission, refused as Binance refuses them.

The signature is HMAC-SHA256 over what was sent without it: query string then body over REST; over the WebSocket API
the parameters in alphabetical order, as they are or percent-encoded. A timestamp is held against the time the venue
states and against the wall clock, both off by the clock fault: at a speed above 1 the first runs away from any client.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

from local.paper import errors
from local.paper.errors import VenueError
from local.paper.parameters import Parameters
from local.paper.trading.accounts import Key

DEFAULT_WINDOW_MS = 5_000
LONGEST_WINDOW_MS = 60_000
_AHEAD_MS = 1_000
_KEY_FORMAT = re.compile(r"[A-Za-z0-9]{16,128}")
_MICROSECONDS = 10**14


class Needs(Enum):
    """What a request must show: its key alone, or a signature as well, and what the key must allow."""

    KEY = "key"
    READ = "read"
    TRADE = "trade"


@dataclass(frozen=True)
class Proof:
    """What a request shows: the key, what was signed (any of the texts that are accepted), and the signature."""

    key: str | None
    payloads: tuple[str, ...] = ("",)
    signature: str | None = None


def authenticate(keys: Mapping[str, Key], proof: Proof, query: Parameters, needs: Needs, times: tuple[int, ...]) -> Key:
    """The key of a request that may do what it asks for.

    Args:
        keys: all keys.
        proof: what the request shows.
        query: its parameters; ``timestamp``, ``recvWindow`` and ``signature`` are read here.
        needs: what it must show.
        times: the times a timestamp may be held against, epoch milliseconds.

    Raises:
        VenueError: as Binance refuses it.
    """
    if not proof.key:
        raise VenueError(-2014, "API-key format invalid.", 401)
    if needs is not Needs.KEY:
        _check_time(query, times)
    if not _KEY_FORMAT.fullmatch(proof.key):
        raise VenueError(-2014, "API-key format invalid.", 401)
    key = keys.get(proof.key)
    if key is None or not key.enabled:
        raise _rejected()
    if needs is not Needs.KEY:
        query.text("signature")
        if not proof.signature:
            raise errors.missing("signature")
        shown = proof.signature.lower().encode()
        if not any(hmac.compare_digest(sign(key.secret, each).encode(), shown) for each in proof.payloads):
            raise VenueError(-1022, "Signature for this request is not valid.")
    if not (key.trade if needs is Needs.TRADE else key.read):
        raise _rejected()
    return key


def sign(secret: str, payload: str) -> str:
    """The signature of a text, in hexadecimal."""
    return hmac.new(secret.encode(), payload.encode(), sha256).hexdigest()


def _check_time(query: Parameters, times: tuple[int, ...]) -> None:
    stamp, window = query.integer("timestamp"), query.integer("recvWindow")
    if stamp is None:
        raise errors.missing("timestamp")
    if window is not None and window > LONGEST_WINDOW_MS:
        raise VenueError(-1131, "recvWindow must be less than 60000.")
    if stamp >= _MICROSECONDS:
        stamp //= 1000
    now = min(times, key=lambda each: abs(each - stamp))
    if stamp >= now + _AHEAD_MS:
        raise VenueError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now - stamp > (DEFAULT_WINDOW_MS if window is None else window):
        raise VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _rejected() -> VenueError:
    return VenueError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
