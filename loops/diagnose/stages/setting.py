"""Where the parts of the loss are solved for: the user's gradients of a step, and fit()'s parts of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loops.diagnose.algebra import Solution, solve
from loops.diagnose.mistake import Mistake, RowLoss
from loops.diagnose.observed import Gradients
from loops.diagnose.scene import Scene, flat_outputs, shared

ONE = 1e-3  # a coefficient is 1 within this, or within its own error


@dataclass(frozen=True)
class Setting:
    """What the parts of the loss were solved at: a step, and the mistakes of the stages before."""

    scene: Scene
    step: int
    base: Mistake
    target: Gradients
    most: Mapping[int, float]

    @property
    def outputs(self) -> int:
        """How many outputs have a loss."""
        return flat_outputs(self.scene.batch(self.step), self.scene.one_step.loss)

    def columns(self, targets: Callable[[list[tuple[RowLoss, Any, Any]]], list[Any]]) -> list[Gradients]:
        """The gradients of what `targets` makes of the outputs' losses."""
        return list(self.scene.columns(self.step, self.base, targets))

    def parts(self, outs: list[tuple[RowLoss, Any, Any]]) -> list[Any]:
        """The outputs' losses, weighed as compile() says, and those that the model adds."""
        factors = self.scene.one_step.factors(len(outs))
        data = [factor * each[0].reduced(*each[1:]) for factor, each in zip(factors, outs, strict=True)]
        return [*(data if self.outputs else []), *self.scene.model.losses]

    def solve(self, columns: Sequence[Gradients]) -> Solution | None:
        """The coefficients of the columns."""
        return solve(self.target, columns, self.most)


def setting(scene: Scene, step: int, base: Mistake) -> Setting:
    """The user's gradients of a step, and how far they may be from fit()'s."""
    fit = scene.fit(step, base).step
    target, own = shared(scene.loss_gradients(scene.user(step)), scene.loss_gradients(fit))
    return Setting(scene, step, base, target, scene.tolerance(step, base).of(target, own))


def is_one(value: float, error: float) -> bool:
    """Whether a coefficient is that of fit()."""
    return abs(value - 1) <= max(ONE, 3 * error)
