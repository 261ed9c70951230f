"""What is made of a venue's answer about keys: whether they are used here, and what their owner should know. Pure."""

from __future__ import annotations

from fullon.kernel.errors import FullonError
from fullon.venues.account import Account, Examination, Permissions
from fullon.venues.errors import KeyCannotRead, KeyCanWithdraw, WrongApiKey, WrongApiSecret, WrongPassphrase

#: Errors that say something about the keys; every other one says something about the moment.
ABOUT_KEYS: tuple[type[FullonError], ...] = (
    WrongApiKey,
    WrongApiSecret,
    WrongPassphrase,
    KeyCannotRead,
    KeyCanWithdraw,
)


def refuse(account: Account, permissions: Permissions) -> None:
    """Let only keys pass that are used here.

    Raises:
        KeyCanWithdraw: they can take money out, and the account does not say that it may be so.
    """
    if permissions.withdraw and not account.allow_withdraw_keys:
        raise KeyCanWithdraw(
            "This key can withdraw. Make one without that permission at the exchange, or set allow_withdraw_keys.",
            exchange=account.exchange,
        )


def warnings(account: Account, found: Examination) -> list[str]:
    """What the owner should know although the keys can be used."""
    said = found.permissions
    facts = {
        "This key can withdraw; no bot needs that.": said.withdraw is True,
        f"The exchange {account.exchange} does not say whether this key can withdraw; look there, and forbid it.": (
            said.withdraw is None
        ),
        "This key may not trade; orders of this account will be refused.": said.trade is False,
        "There is no money in this account.": found.balances == 0,
    }
    return [sentence for sentence, holds in facts.items() if holds]
