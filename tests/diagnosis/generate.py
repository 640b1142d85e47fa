"""Generates case files: every family of mistakes on kinds of model that it applies to, and right loops."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from random import Random

from tests.diagnosis.families import FAMILIES, pairs
from tests.diagnosis.kinds import KINDS
from tests.diagnosis.plan import right_plan, source_of
from tests.diagnosis.right import right_plans

RIGHT = "right"
IDENTICAL = "^identical"


@dataclass(frozen=True)
class Generated:
    """A case file; `expect` is a pattern for the verdict and its details."""

    name: str
    kind: str
    family: str
    source: str
    expect: str

    @property
    def right(self) -> bool:
        return self.family == RIGHT


def wrong_cases(seed: int, count: int, of_pairs: int) -> list[Generated]:
    """`count` cases with a mistake, as many of each family as there are kinds for it, `of_pairs` with two."""
    singles = [_planted(family.name, family.plant, seed) for family in FAMILIES]
    doubles = [_planted(pair.name, pair.plant, seed) for pair in pairs()]
    Random(seed).shuffle(doubles)
    return [*_round_robin(singles, count - of_pairs), *_round_robin(doubles, of_pairs)]


def right_cases(seed: int, count: int) -> list[Generated]:
    """`count` right loops, all kinds of model in turn."""
    return _round_robin([_right(index, seed) for index in range(len(KINDS))], count)


def _planted(name: str, plant: object, seed: int) -> Iterator[Generated]:
    """The cases of one family, on each kind in turn; kinds come in another order for each family."""
    random = Random(f"{seed} {name}")
    kinds = random.sample(KINDS, len(KINDS))
    for attempt in range(3):
        for kind in kinds:
            planted = plant(right_plan(kind, random), random)  # type: ignore[operator]
            if planted:
                own = f"{name.replace(' + ', '_and_')}_{kind.name}_{attempt}"
                yield Generated(own, kind.name, name, source_of(planted.plan, random), planted.expect)


def _right(index: int, seed: int) -> Iterator[Generated]:
    kind = KINDS[index]
    random = Random(zlib.crc32(f"{seed} right {kind.name}".encode()))
    plans = random.sample(found := right_plans(kind, random), len(found))
    for way, plan in plans:
        yield Generated(f"right_{kind.name}_{way}", kind.name, RIGHT, source_of(plan, random), IDENTICAL)


def _round_robin(sources: list[Iterator[Generated]], count: int) -> list[Generated]:
    """The first of each, the second of each and so on, until there are enough."""
    found: list[Generated] = []
    for row in zip_longest(*sources):
        found += [each for each in row if each is not None]
        if len(found) >= count:
            break
    return found[:count]
