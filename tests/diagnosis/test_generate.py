"""The generated cases: what is planted, how outcomes are counted, and a sample of them diagnosed."""

import ast
import re
from pathlib import Path

import pytest

from loops.diagnose import diagnose
from tests.diagnosis.families import FAMILIES, pairs
from tests.diagnosis.generate import Generated, right_cases, wrong_cases
from tests.diagnosis.kinds import KINDS
from tests.diagnosis.outcome import Outcome, score, table
from tests.diagnosis.planting import both, told

SAMPLE = (  # of each stage some, on different kinds of model
    ("flag_missing", 0),
    ("loss_scaled", 1),
    ("row_weights_normalised", 0),
    ("clipped_by_norm", 2),
    ("layers_scaled", 1),
    ("optimizer_constant", 1),
    ("by_hand", 0),
    ("penalty", 0),
)
STEPS = 8


def test_every_family_is_planted_and_gives_a_file_that_parses() -> None:
    cases = wrong_cases(3, 400, 80)
    assert {case.family for case in cases} >= {family.name for family in FAMILIES}
    assert len({case.kind for case in cases}) == len(KINDS) > 20
    for case in [*cases, *right_cases(3, 2 * len(KINDS))]:
        ast.parse(case.source)
        re.compile(case.expect)
        assert "$" not in case.source, case.name


def test_a_mistake_changes_the_step_and_its_numbers_follow_the_seed() -> None:
    one, same, other = (wrong_cases(seed, 60, 0) for seed in (1, 1, 2))
    assert [case.source for case in one] == [case.source for case in same]
    assert [case.source for case in one] != [case.source for case in other]


def test_pairs_expect_both_mistakes() -> None:
    assert len(pairs()) >= 30
    case = next(case for case in wrong_cases(1, 61, 60) if case.family == "flag_missing + other_rate")
    rate = re.search(r"learning_rate=([\d.]+)\)\n\n\nmine", case.source)
    assert rate
    right = f"training=True missing and other learning rate: {float(rate[1]):.4g}, fit() 0.5"
    assert re.search(case.expect, right)
    assert not re.search(case.expect, "training=True missing")
    assert not re.search(case.expect, right.partition(" and ")[2])


def test_a_number_is_expected_to_three_digits_at_least() -> None:
    pattern = both("clip", told(0.23741))
    assert re.search(pattern, "gradients clipped by norm 0.2374")
    assert re.search(pattern, "0.237 is where gradients are clipped")
    assert not re.search(pattern, "gradients clipped by norm 0.24")
    assert not re.search(pattern, "gradients scaled by 0.237")


def outcome(verdict: str, expect: str = "clip", error: str = "", family: str = "f") -> Outcome:
    return Outcome(Generated("name", "kind", family, "", expect), verdict, "", 2.0, error)


def test_outcomes_are_counted_as_worked_out_by_hand() -> None:
    found = [
        *[outcome("clipped")] * 6,
        *[outcome("another loss")] * 2,
        outcome("unexplained: …"),
        outcome("identical"),
    ]
    assert [each.what for each in found[5:]] == ["right", "wrong", "wrong", "silent", "missed"]
    assert (score(found).recall, score(found).precision) == (0.6, 0.75)
    assert "| f | 10 | 6 | 1 | 2 | 1 | 0.60 | 0.75 | 2.0 |" in table(found)
    assert outcome("", error="boom").what == "error"
    right = outcome("clipped", family="right")
    assert right.what == "alarm"
    assert outcome("identical within rounding", family="right").what == "right"


@pytest.mark.parametrize(("family", "number"), SAMPLE, ids=[name for name, _ in SAMPLE])
def test_planted_mistake_is_named_with_its_number(family: str, number: int, tmp_path: Path) -> None:
    own = [case for case in wrong_cases(2026, 400, 0) if case.family == family]
    case = own[number]
    path = tmp_path / "case.py"
    path.write_text(case.source)
    found = diagnose(path, STEPS)
    assert re.search(case.expect, "\n".join([found.verdict, *found.evidence]), re.IGNORECASE), found


@pytest.mark.parametrize("number", [3, 17, 30])
def test_right_loop_is_not_accused(number: int, tmp_path: Path) -> None:
    case = right_cases(2026, 60)[number]
    path = tmp_path / "case.py"
    path.write_text(case.source)
    assert diagnose(path, STEPS).identical, case.name
