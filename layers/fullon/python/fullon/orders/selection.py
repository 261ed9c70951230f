"""Which of a user's records a figure is of: the owner, and the filters of a request."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fullon.orders.model import OrderStatus, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Records of one user.

    Attributes:
        since: first moment, included; of the execution for fills, of the closing for trades.
        until: end, not included.
        dry_run: only those on paper, or only the real ones; None takes both.
        side: ``buy`` or ``sell`` for fills, ``long`` or ``short`` for trades.
        of_bots: only those of some bot.
    """

    uid: UUID
    since: datetime | None = None
    until: datetime | None = None
    bot_id: UUID | None = None
    ex_id: UUID | None = None
    symbol: str | None = None
    dry_run: bool | None = None
    side: str | None = None
    of_bots: bool = False

    def of_fills(self) -> tuple[str, list[object]]:
        """A condition on ``fills``, and the values of its parameters."""
        return self._where("at", "(source = 'dry')")

    def of_trades(self) -> tuple[str, list[object]]:
        """A condition on ``trades``, and the values of its parameters."""
        return self._where("closed_at", "dry_run")

    def of_lots(self) -> tuple[str, list[object]]:
        """A condition on ``open_lots``, and the values of its parameters."""
        return self._where("opened_at", "dry_run")

    def _where(self, time: str, dry_run: str) -> tuple[str, list[object]]:
        """Parts are constants; only values come from a request."""
        chosen: list[tuple[str, object]] = [
            ("uid =", self.uid),
            (f"{time} >=", self.since),
            (f"{time} <", self.until),
            ("bot_id =", self.bot_id),
            ("ex_id =", self.ex_id),
            ("symbol =", self.symbol),
            (f"{dry_run} =", self.dry_run),
            ("side =", self.side),
        ]
        given = [(part, value) for part, value in chosen if value is not None]
        conditions = [f"{part} ${number}" for number, (part, _) in enumerate(given, 1)]
        if self.of_bots and self.bot_id is None:
            conditions.append("bot_id IS NOT NULL")
        return (
            " AND ".join(conditions),
            [value for _, value in given],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSelection:
    """Orders of one user.

    Attributes:
        since: first moment of their creation, included.
        until: end, not included.
        statuses: only those in one of these; None takes all.
        dry_run: only those on paper, or only the real ones; None takes both.
    """

    uid: UUID
    since: datetime | None = None
    until: datetime | None = None
    bot_id: UUID | None = None
    ex_id: UUID | None = None
    symbol: str | None = None
    side: Side | None = None
    statuses: Collection[OrderStatus] | None = None
    dry_run: bool | None = None

    def where(self) -> tuple[str, list[object]]:
        """A condition on ``orders``, and the values of its parameters. Only values come from a request."""
        chosen: list[tuple[str, object]] = [
            ("uid = ${}", self.uid),
            ("created_at >= ${}", self.since),
            ("created_at < ${}", self.until),
            ("bot_id = ${}", self.bot_id),
            ("ex_id = ${}", self.ex_id),
            ("symbol = ${}", self.symbol),
            ("side = ${}", self.side and self.side.value),
            ("status = ANY(${}::text[])", None if self.statuses is None else [each.value for each in self.statuses]),
            ("dry_run = ${}", self.dry_run),
        ]
        given = [(part, value) for part, value in chosen if value is not None]
        conditions = [part.format(number) for number, (part, _) in enumerate(given, 1)]
        return " AND ".join(conditions), [value for _, value in given]
