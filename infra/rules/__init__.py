"""Own invariants of the templates: what must hold whatever the profile, checked on what was synthesised.

Each module holds rules of one concern; a rule is a function from a :class:`~infra.rules.templates.Deployment` to
findings, and its docstring is the sentence that is printed when it is checked. :data:`RULES` lists them all.
"""

from infra.rules import access, limits, manifest, secrets, stores
from infra.rules.templates import Deployment, Finding, Rule

RULES: tuple[Rule, ...] = (*manifest.RULES, *access.RULES, *stores.RULES, *secrets.RULES, *limits.RULES)


def check(deployment: Deployment) -> list[Finding]:
    """Everything that any rule has to say about a deployment."""
    return [finding for rule in RULES for finding in rule(deployment)]


__all__ = ["RULES", "Deployment", "Finding", "Rule", "check"]
