"""What was synthesised, as rules read it: resources by stack, references followed, expressions as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fullon.runtime.manifest import Manifest
from infra.settings import Profile


@dataclass(frozen=True, eq=False)
class Resource:
    """One resource of a template; there is one object for each."""

    stack: str
    name: str
    kind: str
    body: Mapping[str, Any]

    @property
    def properties(self) -> Mapping[str, Any]:
        """Its properties; empty if it has none."""
        found = self.body.get("Properties")
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True)
class Finding:
    """Something that a rule forbids.

    Attributes:
        rule: the rule's name.
        place: stack and logical name.
        sentence: what is wrong, and what would be right.
    """

    rule: str
    place: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence} [{self.rule}]"


@dataclass(frozen=True)
class Deployment:
    """The templates of one profile.

    Attributes:
        templates: by the stack's name.
        protected: the stacks that cannot be deleted by accident (termination protection).
    """

    profile: Profile
    manifest: Manifest
    templates: Mapping[str, Mapping[str, Any]]
    protected: frozenset[str] = frozenset()

    @classmethod
    def read(cls, folder: Path, profile: Profile, manifest: Manifest) -> Deployment:
        """What was synthesised into a folder."""
        templates = {
            path.name.removesuffix(".template.json"): json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(folder.glob("*.template.json"))
        }
        artefacts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
        protected = {
            str(artefact["properties"]["templateFile"]).removesuffix(".template.json")
            for artefact in artefacts.values()
            if artefact["type"] == "aws:cloudformation:stack" and artefact["properties"].get("terminationProtection")
        }
        return cls(profile, manifest, templates, frozenset(protected))

    def resources(self, *kinds: str) -> Iterator[Resource]:
        """The resources of these types; all of them without any."""
        for resource in self._all.values():
            if not kinds or resource.kind in kinds:
                yield resource

    def follow(self, resource: Resource, value: Any) -> Resource | None:
        """The resource that a reference within ``resource`` leads to, also through an export of another stack."""
        return self.follow_from(resource.stack, value)

    def follow_from(self, stack: str, value: Any) -> Resource | None:
        """The resource that a reference within ``stack`` leads to."""
        if not isinstance(value, Mapping):
            return None
        if imported := value.get("Fn::ImportValue"):
            found = self._exports.get(str(imported))
            return self.follow_from(*found) if found else None
        if name := value.get("Ref"):
            return self._all.get((stack, str(name)))
        if target := value.get("Fn::GetAtt"):
            name = target[0] if isinstance(target, list) else str(target).partition(".")[0]
            return self._all.get((stack, str(name)))
        return None

    def mentioned(self, resource: Resource, value: Any) -> list[Resource]:
        """Every resource that an expression within ``resource`` refers to."""
        if isinstance(value, list):
            parts = [each for part in value for each in self.mentioned(resource, part)]
        elif isinstance(value, Mapping):
            direct = self.follow(resource, value)
            parts = [direct] if direct else [each for part in value.values() for each in self.mentioned(resource, part)]
        else:
            parts = []
        return list(dict.fromkeys(parts))

    def text(self, resource: Resource, value: Any) -> str:
        """An expression as text, with ``${Name}`` for what is known only when it is deployed."""
        return self._text(resource.stack, value)

    @cached_property
    def _all(self) -> dict[tuple[str, str], Resource]:
        return {
            (stack, name): Resource(stack, name, str(body["Type"]), body)
            for stack, template in self.templates.items()
            for name, body in template.get("Resources", {}).items()
        }

    @cached_property
    def _exports(self) -> dict[str, tuple[str, Any]]:
        return {
            str(output["Export"]["Name"]): (stack, output["Value"])
            for stack, template in self.templates.items()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }

    def _text(self, stack: str, value: Any) -> str:
        if isinstance(value, list):
            return ",".join(self._text(stack, part) for part in value)
        if not isinstance(value, Mapping):
            return str(value)
        match next(iter(value.items()), ("", "")):
            case ("Ref", str(name)):
                named = self._all.get((stack, name))
                literal = named.properties.get(_NAMES.get(named.kind, "")) if named else None
                return literal if isinstance(literal, str) else f"${{{name}}}"
            case ("Fn::GetAtt", [str(name), *attributes]):
                return f"${{{name}.{'.'.join(map(str, attributes))}}}"
            case ("Fn::Join", [separator, list(parts)]):
                return str(separator).join(self._text(stack, part) for part in parts)
            case ("Fn::Sub", str(pattern)):
                return pattern
            case ("Fn::Sub", [str(pattern), *_]):
                return pattern
            case ("Fn::ImportValue", imported):
                found = self._exports.get(str(imported))
                return self._text(*found) if found else f"${{{imported}}}"
        return json.dumps(value, sort_keys=True)


#: Where a ``Ref`` is the name that the template gives.
_NAMES = {
    "AWS::ECS::Cluster": "ClusterName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::ApiGatewayV2::Stage": "StageName",
}

Rule = Callable[[Deployment], Iterator[Finding]]


def name_of(rule: Rule) -> str:
    """What a rule is called when it is printed."""
    return str(getattr(rule, "__name__", "rule")).replace("_", " ")


def found(rule: Rule, resource: Resource, sentence: str) -> Finding:
    """A finding at a resource."""
    return Finding(name_of(rule), f"{resource.stack}/{resource.name} ({resource.kind})", sentence)


def as_list(value: Any) -> list[Any]:
    """A value that IAM lets be one or several, as several."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
