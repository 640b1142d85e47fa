"""Whether the user's loop ends as fit() does, which may put averaged weights in place then."""

from loops.diagnose.band import departure
from loops.diagnose.diagnosis import Diagnosis
from loops.diagnose.trainings import Trainings
from loops.parity.differences import distance

NAME = "averaged weights not put in place at the end"
OTHER = "the end of the training differs"
ADVICE = ("optimizer.finalize_variable_values(model.trainable_variables)  # after the last epoch",)


def wrong_end(trainings: Trainings) -> Diagnosis | None:
    """The diagnosis where the steps agree and the weights after the end do not."""
    fit, user, last = trainings.reference, trainings.user, trainings.steps
    same = trainings.departure(last) == 0
    apart = departure(user.end, fit.end, trainings.start)
    if apart == 0 or (not same and trainings.band.holds(last, user.end, fit.end)):
        return None
    moved, own = distance(fit.states[last - 1], fit.end), distance(user.states[last - 1], user.end)
    if moved and not own:
        how = f"fit() changes the weights when it ends (by {moved:.2g}); your loop leaves them as they were"
        return Diagnosis(NAME, (how,), ADVICE, cause=NAME)
    how = f"after the end the weights are {apart:.2g} of the distance travelled apart"
    return Diagnosis(OTHER, (how,), cause=OTHER)
