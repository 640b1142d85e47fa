"""From the first divergence to its cause: solves for what could explain it, names what a replay proves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from loops.case.loading import Case
from loops.diagnose import blame
from loops.diagnose.diagnosis import IDENTICAL, Diagnosis
from loops.diagnose.endings import wrong_end
from loops.diagnose.evidence import end_unseen, not_replayed
from loops.diagnose.hypotheses import first_wrong_step, hypotheses, left_out
from loops.diagnose.mistake import NO_MISTAKE, Mistake
from loops.diagnose.reports import other_reports, wrong_report
from loops.diagnose.scene import Scene
from loops.diagnose.search import Candidate, Found, Search
from loops.diagnose.stages.replicas import explain_replicas
from loops.diagnose.stages.roundings import roundings
from loops.diagnose.step import is_in_step
from loops.diagnose.trainings import Say, Trainings
from loops.parity.differences import Divergence, distance, slots_match

UNEXPLAINED = "unexplained"
NOT_COMPARABLE = "not comparable: rounding alone takes this model too far"
WITHIN = f"{IDENTICAL} within rounding"
EXPLAINED = 0.1  # of fit()'s distance from the user: what a replay may leave over
WORTH_NAMING = 0.5  # a replay no nearer to the user than this would send them the wrong way
REPRODUCED = 12  # steps
SAME_BATCH = 0.02  # a step on another batch that comes this much nearer to the user than fit() is theirs


@dataclass(frozen=True)
class Question:
    """What is to be explained: the trainings, where they part, and what was watched, if anything."""

    trainings: Trainings
    divergence: Divergence
    scene: Scene | None
    say: Say


def explain(trainings: Trainings, divergence: Divergence, scene: Scene | None, say: Say) -> Diagnosis:
    """Name the cause of a divergence, or say that it is rounding, or that no cause is proved."""
    asked = Question(trainings, divergence, scene, say)
    unseen = scene is None or not scene.user(divergence.step).last
    rounding = trainings.band.steps > 0 and trainings.within_rounding()
    if rounding and scene and not unseen:
        rounding = all(scene.sizes_agree(step) for step in scene.telling(divergence.step))
    found = _rounding(asked) if rounding else _cause(asked)
    return replace(found, evidence=(*found.evidence, *_doubts(trainings, unseen=unseen)))


def _doubts(trainings: Trainings, *, unseen: bool) -> list[str]:
    """What the comparison could not see."""
    found = []
    if trainings.replicas > 1:
        found.append(f"your step ran on {trainings.replicas} replicas; it was not watched from inside")
    elif unseen:
        found.append("no gradients were seen: your step updates by other means than a Keras optimizer")
    if not slots_match(trainings.user.states[-1].slots, trainings.reference.states[-1].slots):
        found.append("optimizer slots were not compared: your step updates by another optimizer")
    if trainings.band.steps < trainings.steps:
        found.append(
            f"rounding alone takes this model so far that {trainings.band.steps} of {trainings.steps} steps "
            "can be judged"
        )
    return found


def _reproduces(scene: Scene) -> bool:
    """Whether this tool's writing of the step gives fit()'s own run, to the bit or within rounding.

    Two single steps show it, but for a model that draws from a generator that is not its own.
    """
    trainings, states = scene.trainings, scene.trainings.reference.states
    steps = range(1, min(2, trainings.band.steps, trainings.steps) + 1)
    before = [None, *states]
    single = [scene.one_step.run(NO_MISTAKE, before[step - 1], states[step - 1], step - 1) for step in steps]
    if single and all(
        state and trainings.holds(step, state) for step, state in zip(steps, single, strict=True)
    ):
        return True
    return _replays(trainings)


def _replays(trainings: Trainings) -> bool:
    steps = min(REPRODUCED, trainings.steps)
    try:
        written = trainings.replayer().replay(NO_MISTAKE, steps, rewritten=True)
    except Exception:  # fit() of this model cannot be written so
        return False
    judged = min(trainings.band.steps or trainings.steps, steps)
    pairs = list(enumerate(written, start=1))[:judged]
    return len(pairs) == judged and all(trainings.holds(step, state) for step, state in pairs)


def _search(asked: Question, first: int, mistakes: Sequence[Mistake]) -> Found:
    asked.say(f"replaying what could explain it: {len(mistakes)} in all")
    search = Search(asked.trainings, first, asked.scene, lambda mistake: None)
    return search.run(mistakes)


def _rounding(asked: Question) -> Diagnosis:
    """The verdict where the departure is within rounding: what rounds otherwise, where a replay shows it."""
    trainings, steps = asked.trainings, asked.trainings.band.steps
    why = (
        f"the departure stays within rounding: {trainings.departure(steps):.1g} of the distance travelled "
        f"after {steps} steps, where fit() itself departs by up to {trainings.band.at(steps):.1g} "
        "when its start is moved by one ULP or when it is traced in another way"
    )
    wrong = wrong_end(trainings) or wrong_report(trainings, why)
    if wrong:
        return wrong
    within = Diagnosis(WITHIN, (why, *other_reports(trainings), *end_unseen(trainings)))
    if asked.scene is None:
        return within
    first = asked.divergence.step
    settings = [each for each in left_out(asked.scene, first) if each.without]
    subtle = [each for each in hypotheses(asked.scene, first) if each.subtle or not is_in_step(each)]
    mistakes = [*subtle, *settings, *roundings(asked.scene)]
    exact = [each for each in _search(asked, first, mistakes).candidates if each.exact]
    return _named(exact, "replaying it gives your trajectory to the last bit") if exact else within


def _cause(asked: Question) -> Diagnosis:
    """The cause of more than rounding: what a replay proves, another batch, or none."""
    trainings, scene = asked.trainings, asked.scene
    first = asked.divergence.step
    found = Found((), ())
    about: tuple[str, ...] = ()
    if scene:
        asked.say("looking for the first step that differs by more than rounding")
        first = first_wrong_step(scene, first)
        asked.say(f"step {first}: solving for what could explain it, stage by stage")
        mistakes = [*left_out(scene, first), *hypotheses(scene, first)]
        about = blame.located(scene, first)
        if not _reproduces(scene):
            mistakes = [each for each in mistakes if not is_in_step(each)]
            about += (
                "this tool's own writing of the training step does not reproduce fit() here, so that "
                "mistakes in the step could not be tried",
            )
        found = _search(asked, first, mistakes)
    elif trainings.replicas > 1:
        case = Case(trainings.path)
        mistakes = explain_replicas(trainings.replicas, case.model(trainings.epoch[0], trainings.start))
        found = _search(asked, first, mistakes)
    about = (*about, *not_replayed(found.not_replayed))
    candidates = [candidate for candidate in found.candidates if not candidate.mistake.rounding]
    exact = [candidate for candidate in candidates if candidate.exact]
    if exact:
        return _with(_named(exact, "replaying it gives your trajectory to the last bit"), about)
    if trainings.band.steps == 0:
        why = (
            f"fit() itself departs by {trainings.band.at(1):.1g} of the distance travelled in its first step "
            "when its start is moved by one ULP"
        )
        return Diagnosis(NOT_COMPARABLE, (why, *about))
    within = [each for each in candidates if each.within and each.ratio < EXPLAINED]
    if within:
        alike = [candidate for candidate in within if candidate.ratio <= 3 * within[0].ratio]
        return _with(_named(alike, "its replay agrees with yours within rounding"), about)
    return _with(_other_batch(trainings, asked.divergence) or _unexplained(asked, first, candidates), about)


def _with(found: Diagnosis, about: Sequence[str]) -> Diagnosis:
    return replace(found, evidence=(*found.evidence, *about))


def _unexplained(asked: Question, first: int, candidates: Sequence[Candidate]) -> Diagnosis:
    """No cause is proved: the stage at which the departure begins, and the nearest hypothesis."""
    where = blame.stage(asked.scene, first) if asked.scene else "in a step that could not be watched"
    hint = "no replay gives your trajectory: several mistakes at once, or one that is not solved for"
    nearest = min(candidates, key=lambda each: each.ratio, default=None)
    if nearest and nearest.ratio < WORTH_NAMING:
        hint += f"; the nearest is {nearest.mistake}, at {nearest.ratio:.2f} of fit()'s distance from you"
    return Diagnosis(f"{UNEXPLAINED}: the departure begins at step {first}, {where}", (hint,))


def _named(candidates: Sequence[Candidate], how: str) -> Diagnosis:
    """The diagnosis that names the candidates with the fewest mistakes at once."""
    fewest = min(len(each.mistake.parts) for each in candidates)
    candidates = [each for each in candidates if len(each.mistake.parts) == fewest]
    candidates = [each for each in candidates if not each.mistake.general] or candidates
    by_name = {candidate.mistake.name: candidate for candidate in reversed(candidates)}
    names = _told_best(candidate.mistake.name for candidate in candidates)
    details = [f"{name}: {by_name[name].mistake.detail}" for name in names if by_name[name].mistake.detail]
    advice = list(dict.fromkeys(line for name in names for line in by_name[name].mistake.advice.splitlines()))
    also = ["no trajectory on this model can tell these apart"] if len(names) > 1 else []
    verdict = " or ".join(names)
    return Diagnosis(verdict, (how, *details, *also), tuple(advice), cause=verdict)


def _told_best(names: Iterable[str]) -> list[str]:
    """The names, each once, without those of which another one is the longer form."""
    once = list(dict.fromkeys(names))
    return [name for name in once if not any(other.startswith(f"{name}: ") for other in once)]


def _other_batch(trainings: Trainings, divergence: Divergence) -> Diagnosis | None:
    """The diagnosis where the first step that differs is fit()'s own on another of the batches."""
    step, count = divergence.step, len(trainings.epoch)
    user, fit = trainings.user.states, trainings.reference.states
    apart = distance(user[step - 1], fit[step - 1])
    one_step = trainings.one_step()
    before = fit[step - 2] if step > 1 else None
    for index in range(count):
        if index == (step - 1) % count:
            continue
        state = one_step.run(NO_MISTAKE, before, fit[step - 1], index)
        if state and distance(state, user[step - 1]) < SAME_BATCH * apart:
            own = (step - 1) % count + 1
            how = f"at step {step} yours trained on batch {index + 1} of the epoch, fit() on batch {own}"
            name = "another batch order"
            return Diagnosis(name, (how,), ("train on the x and y that are passed in",), cause=name)
    return None
