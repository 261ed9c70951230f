"""The catalogue of strategies, and the strategies of bots."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from fullon_client.calls import Call, Page, given, nothing, one, page
from fullon_client.models.bots import CatalogueStrategy, CatalogueStrategyId, Strategy, StrategyParameter

PATH = "/api/v1/orm/strategies"
ONE = f"{PATH}/bot-strategies/{{str_id}}"


def catalogue() -> Call[Page[CatalogueStrategy]]:
    """Every strategy there is."""
    return page(CatalogueStrategy, "list_strategy_catalogue", f"{PATH}/catalog")


def catalogue_id(name: str) -> Call[CatalogueStrategyId]:
    """The number of a strategy of the catalogue, by its name."""
    parameters = {"name": name}
    return one(CatalogueStrategyId, "get_catalogue_strategy_id", "GET", f"{PATH}/catalog-id", parameters=parameters)


def parameters_of(cat_str_id: int) -> Call[Page[StrategyParameter]]:
    """The parameters that a strategy has, with what they may be."""
    places = {"cat_str_id": cat_str_id}
    return page(StrategyParameter, "list_catalogue_parameters", f"{PATH}/catalog/{{cat_str_id}}/params", places=places)


def create(
    bot_id: UUID,
    cat_str_id: int,
    name: str,
    *,
    parameters: Mapping[str, object] | None = None,
    take_profit: Decimal | None = None,
    stop_loss: Decimal | None = None,
    size_pct: Decimal | None = None,
    active: bool | None = None,
) -> Call[Strategy]:
    """Give a bot a strategy. Percentages and parameters that are not whole numbers are exact decimals."""
    body = given(
        bot_id=bot_id,
        cat_str_id=cat_str_id,
        name=name,
        parameters=parameters,
        take_profit=take_profit,
        stop_loss=stop_loss,
        size_pct=size_pct,
        active=active,
    )
    return one(Strategy, "create_bot_strategy", "POST", f"{PATH}/bot-strategies", body=body)


def mine(*, limit: int | None = None) -> Call[Page[Strategy]]:
    """The strategies of all of the caller's bots."""
    return page(Strategy, "list_my_strategies", f"{PATH}/user-strategies", parameters={"limit": limit})


def get(str_id: UUID) -> Call[Strategy]:
    """One strategy of a bot."""
    return one(Strategy, "get_bot_strategy", "GET", ONE, places={"str_id": str_id})


def change_parameters(str_id: UUID, parameters: Mapping[str, object]) -> Call[Strategy]:
    """Set some parameters and keep the others."""
    body = {"parameters": parameters}
    return one(
        Strategy, "change_bot_strategy_parameters", "PATCH", f"{ONE}/params", places={"str_id": str_id}, body=body
    )


def delete(str_id: UUID) -> Call[None]:
    """Take a strategy from its bot."""
    return nothing("delete_bot_strategy", "DELETE", ONE, places={"str_id": str_id})
