"""All families of mistakes, and those that are planted two at once."""

from dataclasses import dataclass
from itertools import product
from random import Random

from tests.diagnosis import wrong_forward, wrong_gradients, wrong_loss, wrong_settings, wrong_update
from tests.diagnosis.plan import Plan
from tests.diagnosis.planting import Family, Planted

FAMILIES: tuple[Family, ...] = (
    *wrong_forward.FAMILIES,
    *wrong_loss.FAMILIES,
    *wrong_gradients.FAMILIES,
    *wrong_update.FAMILIES,
    *wrong_settings.FAMILIES,
)
BY_NAME = {family.name: family for family in FAMILIES}
FORWARD = ("flag_missing", "inputs_scaled", "rows_dropped")
LOSS = (
    "loss_scaled",
    "added_losses_left_out",
    "penalty",
    "output_weight",
    "row_weights_ignored",
    "class_weight",
)
GRADIENTS = ("clipped_by_norm", "layers_scaled", "clipped_by_global_norm")
UPDATE = ("other_rate", "optimizer_constant", "anew", "variables_left_out", "decay_by_hand")
PAIRS = (
    *product(FORWARD, (*LOSS, *UPDATE)),
    *product(LOSS, UPDATE),
    *product(GRADIENTS, UPDATE),
    *product(("added_losses_left_out", "row_weights_ignored"), GRADIENTS),
)


@dataclass(frozen=True)
class Pair:
    """Two families, planted in one step."""

    one: Family
    two: Family

    @property
    def name(self) -> str:
        return f"{self.one.name} + {self.two.name}"

    def plant(self, plan: Plan, random: Random) -> Planted | None:
        """Both in the plan; None where one does not apply. The verdict must name both."""
        first = self.one.plant(plan, random)
        second = self.two.plant(first.plan, random) if first else None
        if first is None or second is None:
            return None
        return Planted(second.plan, rf"(?=[\s\S]*(?:{first.expect}))(?=[\s\S]*(?:{second.expect}))")


def pairs() -> list[Pair]:
    """All pairs."""
    return [Pair(BY_NAME[one], BY_NAME[two]) for one, two in PAIRS]
