"""What can go wrong with strategies."""

from __future__ import annotations

from fullon.kernel.errors import Conflict, Forbidden, Invalid, NotFound


class CatalogueStrategyNotFound(NotFound):
    """The catalogue has no such strategy."""

    default_code = "unknown_strategy"

    def __init__(self) -> None:
        super().__init__("There is no such strategy in the catalogue.")


class StrategyNotFound(NotFound):
    """The caller has no such strategy."""

    default_code = "strategy_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such strategy.")


class StrategyNameTaken(Conflict):
    """The bot, or the catalogue, has a strategy of that name."""

    default_code = "strategy_name_taken"

    def __init__(self) -> None:
        super().__init__("There is a strategy of this name already.")


class StrategyInUse(Conflict):
    """Bots run a strategy of the catalogue, so it cannot be deleted."""

    default_code = "strategy_in_use"

    def __init__(self, bots: int) -> None:
        super().__init__(f"{bots} {'strategy of a bot is' if bots == 1 else 'strategies of bots are'} of this kind.")


class StrategyIsBuiltIn(Forbidden):
    """A strategy that comes with the platform cannot be deleted."""

    default_code = "strategy_is_built_in"

    def __init__(self) -> None:
        super().__init__("This strategy comes with the platform and cannot be deleted.")


class BadParameters(Invalid):
    """Values of parameters that the strategy does not take; the fields say which and why."""

    default_code = "bad_parameters"

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(f"Some parameters are not right: {', '.join(sorted(fields))}.", fields=fields)
