"""Finds which known mistake explains a departure: tries one step of each, then replays the likely ones."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import tensorflow as tf

from loops.case.errors import reason
from loops.diagnose.mistake import Mistake
from loops.diagnose.scale import SAME, Seen, scales_of
from loops.diagnose.trainings import Trainings
from loops.errors import UserError
from loops.parity.differences import distance
from loops.parity.states import State

WINDOW = 3  # steps from the first divergence by which replays are ordered: later, rounding has grown
LIKELY = 0.3  # one step of a mistake must come this much nearer to the user than fit() is
MOST = 16  # likely mistakes that are replayed
T = TypeVar("T")


@dataclass(frozen=True)
class Candidate:
    """A replayed mistake, and how its replay compares with the user's training.

    `ratio` is its distance from the user over fit()'s, shortly after the first divergence. `exact` says
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
    """Compares known mistakes with the user's training.

    `first` is the step (from 1) at which it departs from fit()'s, `seen` what its gradients showed there;
    `on_try` is told of each mistake before it is tried. `rounding` says that the departure is within
    rounding: mistakes that may be as small are then replayed whatever one step of them shows.
    """

    def __init__(
        self,
        trainings: Trainings,
        first: int,
        seen: Seen,
        on_try: Callable[[Mistake], None],
        *,
        rounding: bool,
    ) -> None:
        self._trainings, self._first, self._seen, self._on_try = trainings, first, seen, on_try
        self._rounding = rounding
        self._user, self._fit = trainings.user.states, trainings.reference.states
        self._replayer, self._one_step = trainings.replayer(), trainings.one_step()
        self._not_replayed: list[NotReplayed] = []

    def run(self, mistakes: Iterable[Mistake]) -> Found:
        """Try one step of each mistake at the first divergence, then replay the likely ones.

        Raises:
            UserError: the case's own functions raise.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras may well warn about a planted mistake
            replayed = [self._attempt(self._replay, mistake) for mistake in self._likely(mistakes)]
        candidates = [candidate for candidate in replayed if candidate and np.isfinite(candidate.ratio)]
        candidates.sort(key=lambda each: (not each.exact, not each.within, each.ratio))
        return Found(tuple(candidates), tuple(self._not_replayed))

    def _likely(self, mistakes: Iterable[Mistake]) -> list[Mistake]:
        """The mistakes to replay: those whose one step comes near, and those that one step cannot show."""
        near: list[tuple[float, Mistake]] = []
        unseen = []
        for mistake in mistakes:
            if mistake.stateful or mistake.rounding or (mistake.subtle and self._rounding):
                self._on_try(mistake)
                unseen.append(mistake)
                continue
            ratio = self._attempt(self._one_step_ratio, mistake)
            if ratio is not None and ratio <= LIKELY:
                near.append((ratio, mistake))
        near.sort(key=lambda pair: pair[0])
        unseen.sort(key=lambda mistake: not mistake.rounding)
        return [*(mistake for _, mistake in near[:MOST]), *unseen]

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

    def _one_step_ratio(self, mistake: Mistake) -> float | None:
        """How near one step of the mistake comes to the user's, over how near fit()'s own is."""
        at = self._first - 1
        apart = distance(self._fit[at], self._user[at])
        before = self._fit[at - 1] if at else None
        state = self._one_step.run(mistake, before, self._fit[at], at)
        if state is None:
            return 0.0  # one step cannot tell; the replay will
        if not apart:
            return None
        ratio = distance(state, self._user[at]) / apart
        return ratio if np.isfinite(ratio) else None

    def _replay(self, mistake: Mistake) -> Candidate:
        """Replay around the first divergence, and to the end while every step agrees within rounding."""
        comparison = _Comparison(self._trainings, self._first)
        self._replayer.replay(mistake, self._trainings.steps, comparison.stop_after)
        ratios = comparison.ratios
        ratio = float(np.mean(ratios)) if ratios else float("inf")
        within = comparison.exact or (comparison.within and self._gradients_agree(mistake))
        return Candidate(mistake, ratio, comparison.exact, within)

    def _gradients_agree(self, mistake: Mistake) -> bool:
        """Whether the mistake makes the user's gradients too: under Adam the weights hardly show a scale."""
        if mistake.without:  # fit() without a setting; that its weights agree must be enough
            return True
        if not self._seen.user:
            return False
        at = self._first - 1
        before = self._fit[at - 1] if at else None
        own = self._one_step.gradients(mistake, before, self._fit[at], at)
        tolerance = self._seen.first.tolerance if self._seen.first else SAME
        return not own or scales_of(self._seen.user, own, 1, tolerance).none


class _Comparison:
    """Compares a replay with the user's training step by step, as it goes."""

    def __init__(self, trainings: Trainings, first: int) -> None:
        self.ratios: list[float] = []
        self.exact = self.within = True
        self._trainings, self._horizon = trainings, min(first + WINDOW - 1, trainings.steps)

    def stop_after(self, step: int, state: State) -> bool:
        trainings = self._trainings
        user, fit = trainings.user.states[step - 1], trainings.reference.states[step - 1]
        own, apart = distance(state, user), distance(fit, user)
        self.exact = self.exact and own == 0
        if not self.exact and step <= trainings.band.steps:
            self.within = self.within and trainings.band.holds(step, state, user)
        if step < self._horizon + 1 and apart:
            self.ratios.append(own / apart)
        return step >= self._horizon and not self.within
