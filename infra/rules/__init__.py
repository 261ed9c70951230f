"""Own invariants of the templates: what must hold whatever the profile, checked on what was synthesised.

Each module holds rules of one concern; a rule is a function from a :class:`~infra.rules.templates.Deployment` to
findings, and its docstring is the sentence that is printed when it is checked. :data:`RULES` lists them all.
"""

from infra.rules.access import RULES as ACCESS
from infra.rules.limits import RULES as LIMITS
from infra.rules.manifest import RULES as MANIFEST
from infra.rules.secrets import RULES as SECRETS
from infra.rules.stores import RULES as STORES
from infra.rules.templates import Deployment, Finding, Rule

RULES: tuple[Rule, ...] = (*MANIFEST, *ACCESS, *STORES, *SECRETS, *LIMITS)


def check(deployment: Deployment) -> list[Finding]:
    """Everything that any rule has to say about a deployment."""
    return [finding for rule in RULES for finding in rule(deployment)]


__all__ = ["RULES", "Deployment", "Finding", "Rule", "check"]
