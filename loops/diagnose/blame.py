"""At which stage of a step the user's departs from fit()'s, and what is ruled out."""

from loops.diagnose.hypotheses import first_wrong_step
from loops.diagnose.observed import norm_of
from loops.diagnose.scene import Scene
from loops.diagnose.stages.passes import forward_agrees

__all__ = ["first_wrong_step", "located", "stage"]
STAGES = (
    "in the inputs of the model",
    "in the forward pass",
    "in the gradients of the loss",
    "in what is done to the gradients",
    "in the update",
)


def _stages(scene: Scene, step: int) -> list[tuple[str, bool | None, str]]:
    """Each stage in order, whether it is fit()'s (None: not seen), and in words."""
    user, fit = scene.user(step), scene.fit(step).step
    tolerance = scene.tolerance(step)
    mine, theirs = user.main, fit.main
    inputs: bool | None = None
    if mine and theirs and mine.inputs and theirs.inputs:
        pairs = list(zip(mine.inputs, theirs.inputs, strict=False))
        inputs = len(mine.inputs) == len(theirs.inputs) and all(
            a.shape == b.shape and norm_of(a.astype("float64") - b) == 0 for a, b in pairs
        )
    forward = forward_agrees(scene, step) if mine and theirs else None
    loss = tolerance.same(scene.loss_gradients(user), scene.loss_gradients(fit)) if user.last else None
    given = tolerance.same(user.given, fit.given) if user.given else None
    update = None
    return list(
        zip(
            STAGES,
            (inputs, forward, loss, given, update),
            (
                "inputs",
                "forward pass",
                "gradients of the loss",
                "gradients that reach the optimizer",
                "update",
            ),
            strict=True,
        )
    )


def stage(scene: Scene, step: int) -> str:
    """The first stage that differs."""
    seen = _stages(scene, step)
    for where, same, _ in seen:
        if same is False:
            return where
    return STAGES[-1]


def located(scene: Scene, step: int) -> tuple[str, ...]:
    """What agrees and what does not at this step, stage by stage."""
    words = {True: "as in fit()", False: "differ", None: "not seen"}
    told = "; ".join(f"{name}: {words[same]}" for _, same, name in _stages(scene, step)[:4])
    return (f"at step {step}: {told}",)
