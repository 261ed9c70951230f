"""What the cache domain answers about bots."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field

from fullon.bots.model import Block, Place, Presence
from fullon.runtime.fields import Moment
from functions.cache.schemas import Aged

BOT_ID = "0199f1c2-a1b2-7c3d-8e4f-5a6b7c8d9e0f"
ACCOUNT_ID = "0199f1c2-b2c3-7d4e-9f50-6b7c8d9e0f1a"


class BlockAnswer(BaseModel):
    """A symbol of an account that a bot trades; no other bot may trade it there meanwhile."""

    bot_id: UUID = Field(examples=[BOT_ID])
    ex_id: UUID = Field(description="The account.", examples=[ACCOUNT_ID])
    account: str = Field(description="Its name.", examples=["main"])
    exchange: str = Field(examples=["paper"])
    symbol: str = Field(examples=["BTC/USDT"])
    fence: int = Field(description="Grows each time a bot takes it.", examples=[7])
    since: Moment = Field(description="When the bot took it.")
    renewed_at: Moment = Field(description="When the bot last said that it lives.")
    expires_at: Moment = Field(description="When it falls free unless the bot says so again.")

    @classmethod
    def of(cls, place: Place, block: Block) -> BlockAnswer:
        """The answer for a block at its place."""
        return cls(
            bot_id=block.bot_id,
            ex_id=block.ex_id,
            account=place.account,
            exchange=place.exchange,
            symbol=block.symbol,
            fence=block.fence,
            since=block.since,
            renewed_at=block.renewed_at,
            expires_at=block.expires_at,
        )


class Blocks(Aged):
    """Which of the caller's bots trade a symbol of an exchange, by account. Nobody is an answer, too."""

    exchange: str = Field(examples=["paper"])
    symbol: str = Field(examples=["BTC/USDT"])
    items: list[BlockAnswer]
    next_cursor: None = Field(default=None, description="Always whole.")


class BotStatus(Aged):
    """What a bot does now."""

    bot_id: UUID = Field(examples=[BOT_ID])
    status: Presence = Field(
        description="`trading`: it is on and holds symbols; `idle`: it is on and holds none; `ending`: it is off and"
        " has not given up what it holds; `off`.",
        examples=["trading"],
    )
    dry_run: bool = Field(description="Its orders are filled at the present book and never sent.", examples=[True])
    blocks: list[BlockAnswer] = Field(description="What it holds, by account and symbol.")
