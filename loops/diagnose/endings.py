"""Whether the user's loop ends as fit() does, which may put averaged weights in place then."""

from loops.diagnose.diagnosis import Diagnosis
from loops.diagnose.trainings import Trainings
from loops.parity.differences import distance
from loops.parity.states import State

NAME = "averaged weights not put in place at the end"
OTHER = "the end of the training differs"
ADVICE = ("optimizer.finalize_variable_values(model.trainable_variables)  # after the last epoch",)


def wrong_end(trainings: Trainings) -> Diagnosis | None:
    """The diagnosis where all steps agree and the weights after the end do not."""
    fit, user = trainings.reference, trainings.user
    last = trainings.steps
    apart = distance(user.end, fit.end)
    allowed = distance(user.states[-1], fit.states[-1])
    if apart <= allowed or _close(trainings, last):
        return None
    moved, own = _moved(fit.states[-1], fit.end), _moved(user.states[-1], user.end)
    if moved and not own:
        how = f"fit() changes the weights when it ends (by {moved:.2g}); your loop leaves them as they were"
        return Diagnosis(NAME, (how,), ADVICE, cause=NAME)
    how = f"after the end the weights are {apart:.2g} apart, after the last step {allowed:.2g}"
    return Diagnosis(OTHER, (how,), cause=OTHER)


def _moved(last: State, end: State) -> float:
    return distance(last, end)


def _close(trainings: Trainings, step: int) -> bool:
    """Whether the ends agree within the rounding of the last step; where that is none, to the bit."""
    if trainings.departure(step) == 0:
        return False
    gap = distance(trainings.user.end, trainings.reference.end)
    size = max(distance(trainings.reference.end, trainings.reference.states[0]), 1e-30)
    return gap / size <= trainings.band.at(step)
