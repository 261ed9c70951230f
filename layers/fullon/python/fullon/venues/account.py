"""Exchange accounts of users: what is kept, their keys, and what a venue says that keys may do. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from fullon.venues.errors import SealBroken

HINT_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs requests at a venue. Never in a log, an answer or an error.

    Attributes:
        passphrase: a third secret, where the venue has one.
    """

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)

    @property
    def hint(self) -> str:
        """The last characters of the key, by which its owner knows it again."""
        return self.api_key[-HINT_LENGTH:]

    def to_bytes(self) -> bytes:
        """For sealing."""
        return json.dumps([self.api_key, self.api_secret, self.passphrase]).encode()

    @classmethod
    def of_bytes(cls, opened: bytes) -> Keys:
        """What :meth:`to_bytes` wrote.

        Raises:
            SealBroken: it is something else.
        """
        try:
            api_key, api_secret, passphrase = json.loads(opened)
        except ValueError:
            raise SealBroken from None  # the message would quote it
        return cls(api_key, api_secret, passphrase)


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a venue says that a key may do; None where it does not say."""

    read: bool | None
    trade: bool | None
    withdraw: bool | None

    def to_json(self) -> dict[str, bool | None]:
        """For the database."""
        return {"read": self.read, "trade": self.trade, "withdraw": self.withdraw}

    @classmethod
    def of_json(cls, document: Mapping[str, bool | None]) -> Permissions:
        """What :meth:`to_json` wrote."""
        return cls(document.get("read"), document.get("trade"), document.get("withdraw"))


UNKNOWN = Permissions(None, None, None)


@dataclass(frozen=True, slots=True)
class Examination:
    """What a venue answered to an account's keys.

    Attributes:
        balances: how many currencies there is something of.
        clock_offset_ms: the venue's time less ours.
    """

    permissions: Permissions
    balances: int
    clock_offset_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of a user at a venue.

    Attributes:
        exchange: name of the venue in the catalogue.
        test: at the venue's test network.
        active: it is watched, and orders may go there.
        allow_withdraw_keys: its owner accepts keys that can take money out.
        key_hint: the last four characters of the key.
        validated_at: when the venue was last asked about the keys; None for keys that it was never asked about.
        permissions: what it said then.
        problem: why the keys cannot be used, as a sentence; None when nothing is known against them.
    """

    ex_id: UUID
    uid: UUID
    cat_ex_id: int
    exchange: str
    name: str
    test: bool
    active: bool
    allow_withdraw_keys: bool
    key_hint: str
    validated_at: datetime | None
    permissions: Permissions | None
    problem: str | None
    created_at: datetime
    updated_at: datetime
