"""Strategy management: the catalogue, its parameters and their rules, and the strategies of a bot."""

from __future__ import annotations

from decimal import Decimal

from examples.stage import Stage, expect, expect_problem, play, show
from fullon_client import bots, strategies


def script(stage: Stage) -> None:
    """Choose a strategy, set it up, be corrected."""
    with stage.newcomer() as trader:
        catalogue = {found.name: found for found in trader.each(strategies.catalogue())}
        show(["strategy", "what it does"], [[found.title, found.description] for found in catalogue.values()])
        crossover = catalogue["crossover"].cat_str_id
        parameters = list(trader.each(strategies.parameters_of(crossover)))
        show(
            ["parameter", "kind", "default", "from", "to", "one of"],
            [
                [known.name, known.kind, known.default, known.minimum, known.maximum, known.choices]
                for known in parameters
            ],
        )

        bot = trader.send(bots.create("crossing"))
        made = trader.send(
            strategies.create(
                bot.bot_id,
                crossover,
                "fast over slow",
                parameters={"fast": 5},
                take_profit=Decimal(3),
                size_pct=Decimal("12.5"),
            )
        )
        defaults = {known.name: known.default for known in parameters}
        expect(dict(made.parameters) == {**defaults, "fast": "5"}, "what is not given has its default")
        expect(made.size_pct == Decimal("12.5"), "percentages are exact")

        changed = trader.send(strategies.change_parameters(made.str_id, {"slow": 50}))
        expect((changed.parameters["fast"], changed.parameters["slow"]) == ("5", "50"), "one is changed, others stay")
        refused = expect_problem(
            lambda: trader.send(strategies.change_parameters(made.str_id, {"fast": 0})), 422, "zero is too few bars"
        )
        expect(refused.fields, f"and the place is named: {refused.fields}")
        expect_problem(
            lambda: trader.send(strategies.change_parameters(made.str_id, {"colour": 1})), 422, "there is no colour"
        )
        expect(trader.send(strategies.get(made.str_id)) == changed, "refused changes change nothing")

        trader.send(strategies.delete(made.str_id))
        expect(not list(trader.each(strategies.mine())), "a strategy can be taken away again")


if __name__ == "__main__":
    play(script)
