"""Faults are planted in a copy of what was synthesised."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from infra.rules import Deployment, Rule


class Changed:
    """A copy of a profile's templates in which a test plants a fault."""

    def __init__(self, origin: Deployment) -> None:
        self._origin = origin
        self.templates: dict[str, Any] = copy.deepcopy(dict(self._origin.templates))
        self.protected = self._origin.protected

    def one(self, kind: str, **having: Any) -> dict[str, Any]:
        """The body of the first resource of a type, with these properties."""
        return next(self.each(kind, **having))

    def each(self, kind: str, **having: Any) -> Iterator[dict[str, Any]]:
        """The bodies of all resources of a type with these properties."""
        for template in self.templates.values():
            for body in template.get("Resources", {}).values():
                properties = body.get("Properties", {})
                if body["Type"] == kind and all(properties.get(key) == value for key, value in having.items()):
                    yield body

    def add(self, stack: str, name: str, kind: str, **properties: Any) -> dict[str, Any]:
        """A resource more."""
        body = {"Type": kind, "Properties": properties}
        self.templates[stack]["Resources"][name] = body
        return body

    def remove(self, body: dict[str, Any]) -> None:
        """A resource less."""
        for template in self.templates.values():
            for name, each in list(template.get("Resources", {}).items()):
                if each is body:
                    del template["Resources"][name]

    def found_by(self, rule: Rule) -> list[str]:
        """What the rule says of it."""
        made = replace(self._origin, templates=self.templates, protected=self.protected)
        return [str(finding) for finding in rule(made)]


Fault = Callable[[Changed], None]
FAULTS: list[tuple[Rule, Fault, str]] = []


def caught_by(rule: Rule, words: str) -> Callable[[Fault], Fault]:
    """The decorated fault is found by ``rule``, in a sentence with these words."""

    def enter(fault: Fault) -> Fault:
        FAULTS.append((rule, fault, words))
        return fault

    return enter


def properties(changed: Changed, kind: str, **having: Any) -> dict[str, Any]:
    """Those of the first resource of a type that has these."""
    found: dict[str, Any] = changed.one(kind, **having)["Properties"]
    return found


def statement(changed: Changed, stack: str, **fields: Any) -> None:
    """A role more that may do something."""
    body = {"Effect": "Allow", "Resource": "arn:aws:s3:::some", **fields}
    changed.add(stack, "Planted", "AWS::IAM::Policy", PolicyDocument={"Statement": [body]}, Roles=[])
