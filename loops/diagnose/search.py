"""Finds which known mistake explains a departure: tries one step of each, then replays the likely ones."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import tensorflow as tf

from loops.case.errors import reason
from loops.diagnose.mistake import Mistake
from loops.diagnose.scene import ALIKE, Scene, apart_by, same_size, shared
from loops.diagnose.trainings import Trainings
from loops.errors import UserError
from loops.parity.states import State

WINDOW = 3  # steps from the first divergence by which replays are ordered: later, rounding has grown
LIKELY = 0.3  # one step of a mistake must come this much nearer to the user than fit() is
MOST = 12  # likely mistakes that are replayed
T = TypeVar("T")


@dataclass(frozen=True)
class Candidate:
    """A replayed mistake, and how its replay compares with the user's training.

    `ratio` is its distance from the user over fit()'s: in the weights shortly after the first divergence, or
    in the gradients there, whichever is smaller. `exact` says
    that all steps agree to the bit, `within` that all steps agree within the measured rounding.
    """

    mistake: Mistake
    ratio: float
    exact: bool
    within: bool


@dataclass(frozen=True)
class NotReplayed:
    """A mistake that could not be replayed, and the error that prevented it.

    Either it does not apply to the model (a loss of another shape, say), or its replay is broken.
    """

    mistake: Mistake
    reason: str
    does_not_apply: bool


@dataclass(frozen=True)
class Found:
    """What a search found: the replayed mistakes, best first, and those that could not be replayed."""

    candidates: tuple[Candidate, ...]
    not_replayed: tuple[NotReplayed, ...]


class Search:
    """Replays mistakes and compares them with the user's training.

    `first` is the step (from 1) at which it departs from fit()'s; `on_try` is told of each mistake before it
    is tried. Without a `scene` the user's steps could not be watched.
    """

    def __init__(
        self, trainings: Trainings, first: int, scene: Scene | None, on_try: Callable[[Mistake], None]
    ) -> None:
        self._trainings, self._first, self._scene, self._on_try = trainings, first, scene, on_try
        self._user, self._fit = trainings.user.states, trainings.reference.states
        self._replayer = trainings.replayer()
        self._not_replayed: list[NotReplayed] = []

    def run(self, mistakes: Sequence[Mistake]) -> Found:
        """Replay the mistakes that one step does not rule out, until enough of them explain the training.

        Raises:
            UserError: the case's own functions raise.
        """
        candidates: list[Candidate] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras may well warn about a planted mistake
            for mistake in self._likely(mistakes):
                proved = [each for each in candidates if each.exact or each.within]
                if proved and len(mistake.parts) > min(len(each.mistake.parts) for each in proved):
                    continue  # a simpler one explains it
                candidate = self._attempt(self._replay, mistake)
                if candidate and np.isfinite(candidate.ratio):
                    candidates.append(candidate)
        candidates.sort(key=lambda each: (not each.exact, not each.within, each.ratio))
        return Found(tuple(candidates), tuple(self._not_replayed))

    def _likely(self, mistakes: Sequence[Mistake]) -> list[Mistake]:
        """The mistakes to replay: those whose one step comes near, and those that one step cannot show."""
        near: list[tuple[int, float, Mistake]] = []
        for mistake in mistakes:
            ratio = 0.0
            if not (mistake.stateful or mistake.rounding or mistake.subtle):
                own = self._attempt(self._nearness, mistake)
                if own is None or own > LIKELY:
                    continue
                ratio = own
            near.append((len(mistake.parts), ratio, mistake))
        near.sort(key=lambda each: each[:2])
        return [mistake for *_, mistake in near[:MOST]]

    def _attempt(self, function: Callable[[Mistake], T], mistake: Mistake) -> T | None:
        """What the function returns; where it raises, the mistake is noted as not replayed."""
        self._on_try(mistake)
        try:
            return function(mistake)
        except UserError as error:  # the replay ran inside the case's fit()
            self._not_replayed.append(NotReplayed(mistake, str(error), does_not_apply=True))
        except Exception as error:  # a planted mistake can raise anything; the evidence names it
            refused = isinstance(error, ValueError | tf.errors.InvalidArgumentError)
            self._not_replayed.append(NotReplayed(mistake, reason(error), does_not_apply=refused))
        return None

    def _nearness(self, mistake: Mistake) -> float | None:
        """How near the mistake comes to the user in one step: in the weights, or in the gradients.

        Under Adam the weights hardly show the size of the gradients.
        """
        in_weights, in_gradients = self._one_step_ratio(mistake), self._gradient_ratio(mistake)
        if in_weights is None:
            return None
        return min(in_weights, in_gradients)

    def _gradient_ratio(self, mistake: Mistake) -> float:
        """The distance of the mistake's gradients from the user's over that of fit()'s; infinite if none."""
        if self._scene is None or mistake.without:
            return float("inf")
        user = self._scene.user(self._first).given
        fit = self._scene.fit(self._first).step.given
        apart = apart_by(*shared(user, fit))
        if not user or not fit or apart <= ALIKE:
            return float("inf")
        own = self._scene.fit(self._first, mistake).step.given
        ratio = apart_by(*shared(user, own)) / apart if own.keys() == user.keys() else float("inf")
        return ratio if np.isfinite(ratio) else float("inf")

    def _one_step_ratio(self, mistake: Mistake) -> float | None:
        """How near one step of the mistake comes to the user's, over how near fit()'s own is."""
        if self._scene is None:
            return 0.0
        at = self._first
        fit, state = self._scene.fit(at).after, self._scene.fit(at, mistake).after
        if fit is None or state is None:
            return 0.0  # one step cannot tell; the replay will
        apart = self._trainings.band.distance(fit, self._scene.after(at))
        if not apart:
            return 0.0
        ratio = self._trainings.band.distance(state, self._scene.after(at)) / apart
        return ratio if np.isfinite(ratio) else None

    def _replay(self, mistake: Mistake) -> Candidate:
        """Replay around the first divergence, and to the end while every step agrees within rounding."""
        comparison = _Comparison(self._trainings, self._first, mistake.slack)
        self._replayer.replay(mistake, self._trainings.steps, comparison.stop_after)
        ratios = comparison.ratios
        ratio = float(np.mean(ratios)) if ratios else float("inf")
        ratio = min(ratio, self._gradient_ratio(mistake))
        within = comparison.exact or (comparison.within and self._gradients_agree(mistake))
        return Candidate(mistake, ratio, comparison.exact, within)

    def _gradients_agree(self, mistake: Mistake) -> bool:
        """Whether the mistake makes the user's gradients too: under Adam the weights hardly show a scale."""
        if mistake.without:  # fit() without a setting; that its weights agree must be enough
            return True
        if self._scene is None:  # on replicas the optimizer's slots tell the size of the gradients
            return self._trainings.replicas > 1
        user = self._scene.user(self._first).given
        own = self._scene.fit(self._first, mistake).step.given
        return not own or not user or same_size(*shared(user, own))


class _Comparison:
    """Compares a replay with the user's training step by step, as it goes."""

    def __init__(self, trainings: Trainings, first: int, slack: float) -> None:
        self._slack = slack
        self.ratios: list[float] = []
        self.exact = self.within = True
        self._trainings, self._horizon = trainings, min(first + WINDOW - 1, trainings.steps)

    def stop_after(self, step: int, state: State) -> bool:
        trainings = self._trainings
        user, fit = trainings.user.states[step - 1], trainings.reference.states[step - 1]
        own, apart = trainings.band.distance(state, user), trainings.band.distance(fit, user)
        self.exact = self.exact and own == 0
        if not self.exact and step <= trainings.band.steps:
            self.within = self.within and trainings.band.holds(step, state, user, self._slack)
        if step < self._horizon + 1 and apart:
            self.ratios.append(own / apart)
        return step >= self._horizon and not self.within
