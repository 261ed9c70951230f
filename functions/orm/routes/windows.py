"""What the lists and figures of trades have in common: which records, of which time, which page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from fullon.kernel.clock import parse_time
from fullon.kernel.errors import Invalid
from fullon.kernel.money import parse_decimal
from fullon.orders.selection import OrderSelection, Selection
from fullon.runtime.pages import decode_cursor, encode_cursor
from functions.orm.trade_schemas import LARGEST_WORTH, Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

BotFilter = Annotated[UUID | None, Query(description="Only of this bot.")]
DryRun = Annotated[bool | None, Query(description="Only those on paper, or only the real ones.")]
Currency = Annotated[
    str | None,
    Query(min_length=1, max_length=30, pattern=r"^[^\s\x00-\x1f\x7f]+$", description="Quote currency of the figures."),
]


@dataclass(frozen=True, slots=True)
class Choice:
    """The filters that every list and figure takes."""

    since: datetime | None
    until: datetime | None
    ex_id: UUID | None
    symbol: str | None

    def of(
        self,
        uid: UUID,
        *,
        bot_id: UUID | None = None,
        dry_run: bool | None = None,
        side: str | None = None,
        of_bots: bool = False,
    ) -> Selection:
        """Records of ``uid`` by these filters and those of the operation."""
        return Selection(
            uid=uid,
            since=self.since,
            until=self.until,
            bot_id=bot_id,
            ex_id=self.ex_id,
            symbol=self.symbol,
            dry_run=dry_run,
            side=side,
            of_bots=of_bots,
        )


@dataclass(frozen=True, slots=True)
class Period:
    """A time that a request names; None is open."""

    since: datetime | None
    until: datetime | None


async def _period(
    start_time: Annotated[
        str | None,
        Query(description="First moment, RFC 3339 or epoch milliseconds; included.", examples=["2026-08-01T00:00:00Z"]),
    ] = None,
    end_time: Annotated[
        str | None,
        Query(description="End, RFC 3339 or epoch milliseconds; not included.", examples=["2026-09-01T00:00:00Z"]),
    ] = None,
) -> Period:
    since = None if start_time is None else parse_time(start_time, "start_time")
    until = None if end_time is None else parse_time(end_time, "end_time")
    if since is not None and until is not None and until <= since:
        raise Invalid("end_time must be after start_time.", fields={"end_time": "not after start_time"})
    return Period(since, until)


InPeriod = Annotated[Period, Depends(_period)]


async def _chosen(
    period: InPeriod,
    ex_id: Annotated[UUID | None, Query(description="Only of this exchange account.")] = None,
    symbol: Annotated[
        str | None,
        Query(max_length=64, pattern=r"^[^\x00]*$", description="Only of this symbol.", examples=["BTC/USDT"]),
    ] = None,
) -> Choice:
    return Choice(period.since, period.until, ex_id, symbol)


async def _capital(
    capital: Annotated[
        str | None,
        Query(
            max_length=50,
            description="What returns are on, in the figures' currency, at the window's start. Without it the worth of"
            " the accounts then, where that is known.",
            examples=["1000"],
        ),
    ] = None,
) -> Decimal | None:
    if capital is None:
        return None
    amount = parse_decimal(capital, "capital")
    if not 0 < amount < LARGEST_WORTH:
        raise Invalid("capital must be above 0 and not beyond measure.", fields={"capital": "out of range"})
    return amount


Chosen = Annotated[Choice, Depends(_chosen)]
GivenCapital = Annotated[Decimal | None, Depends(_capital)]


def window_of(selection: Selection | OrderSelection) -> Window:
    """What time the figures of a selection are of."""
    return Window(start_time=selection.since, end_time=selection.until)


def cursor_of(moment: datetime, identifier: UUID) -> str:
    """Where the next page goes on."""
    return encode_cursor((moment - _EPOCH) // _MICROSECOND, str(identifier))


def after(cursor: str | None) -> tuple[datetime, UUID] | None:
    """The time and id of the last item of the page before; None for the first page.

    Raises:
        Invalid: it is not a cursor of such a list.
    """
    if cursor is None:
        return None
    moment, identifier = decode_cursor(cursor, 2)
    try:
        if isinstance(moment, int) and isinstance(identifier, str):
            return _EPOCH + timedelta(microseconds=moment), UUID(identifier)
    except (ValueError, OverflowError):
        pass
    raise Invalid("The cursor is not one of this list.", fields={"cursor": "not a cursor of this list"})
