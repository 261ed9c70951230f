"""The invariants hold in every profile, and each of them catches the faults that it is for."""

from __future__ import annotations

import pytest

from infra.rules import RULES, Rule, check
from infra.rules.templates import Deployment, name_of
from tests.infra import faults_of_access, faults_of_shape  # noqa: F401 - enter their faults
from tests.infra.planting import FAULTS, Changed, Fault

pytestmark = pytest.mark.xdist_group("infra")


def test_every_invariant_holds(deployment: Deployment) -> None:
    assert [str(finding) for finding in check(deployment)] == []


@pytest.mark.parametrize(("rule", "fault", "words"), FAULTS, ids=[fault.__name__ for _, fault, _ in FAULTS])
def test_a_planted_fault_is_found(small: Deployment, rule: Rule, fault: Fault, words: str) -> None:
    changed = Changed(small)

    fault(changed)

    sentences = changed.found_by(rule)
    assert any(words in sentence for sentence in sentences), sentences


def test_every_invariant_has_a_fault_that_it_finds() -> None:
    assert {name_of(rule) for rule in RULES} == {name_of(rule) for rule, _, _ in FAULTS}


def test_every_rule_says_in_a_sentence_what_it_holds() -> None:
    for rule in RULES:
        assert rule.__doc__
        assert rule.__doc__.strip().endswith(".")
