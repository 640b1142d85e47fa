"""Arguments of compile() and fit() that the step may not apply: the replay is fit() itself without them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from loops.case.loading import Case
from loops.diagnose.mistake import Mistake
from loops.diagnose.scene import Scene


def settings_left_out(scene: Scene) -> Iterator[Mistake]:
    """Each argument left out."""
    case = Case(scene.trainings.path)
    if case.fit_args.get("class_weight"):
        yield Mistake(
            "class_weight of fit() not applied",
            without={"class_weight": None},
            advice="{loss} = tf.reduce_mean(tf.gather(weight_of_class, classes) * per_example_loss)",
        )
    if case.compile_args.get("loss_weights"):
        yield Mistake(
            "loss_weights of compile() not applied",
            f"fit() has {case.compile_args['loss_weights']}",
            without={"loss_weights": None},
            advice="{loss} = weight_a * loss_a + weight_b * loss_b, with the weights of compile()",
        )
    if any(batch.sample_weight is not None for batch in scene.trainings.epoch):
        yield Mistake(
            "sample_weight not applied",
            without={"sample_weight": None},
            advice="{loss} = tf.reduce_mean(sample_weight * per_example_loss)",
        )
    if scene.one_step.scales_loss:
        yield Mistake(
            "loss scale missing",
            "the optimizer divides the gradients by its loss scale, by which nobody multiplied the loss",
            scale_loss=False,
            advice="gradients = tape.gradient({optimizer}.scale_loss({loss}), {model}.trainable_variables)",
        )
    if case.fit_args.get("initial_epoch"):
        yield Mistake(
            "initial_epoch of fit() not applied",
            without={"initial_epoch": 0},
            advice="count epochs from initial_epoch where a schedule or callback asks for the epoch",
        )
    yield from _callbacks(case.fit_args.get("callbacks") or [])


def _callbacks(callbacks: list[Any]) -> Iterator[Mistake]:
    for index, callback in enumerate(callbacks):
        kind = type(callback).__name__
        yield Mistake(
            f"callback of fit() not applied: {kind}",
            without={"callbacks": _Without(index)},
            advice=f"do in on_epoch_begin or on_epoch_end what {kind} does "
            "({optimizer}.learning_rate.assign(...), for a schedule of the learning rate)",
        )
    if len(callbacks) > 1:
        yield Mistake(
            "callbacks of fit() not applied",
            without={"callbacks": []},
            advice="do in on_epoch_begin or on_epoch_end what they do",
        )


@dataclass(frozen=True)
class _Without:
    """Callbacks of the replay's own execution, less the one of this index."""

    index: int

    def __call__(self, callbacks: list[Any]) -> list[Any]:
        return [each for index, each in enumerate(callbacks) if index != self.index]
