"""The committed cases: known mistakes are named, right loops are not accused, no wrong one is identical."""

import re
from pathlib import Path

import pytest

from loops.diagnose.engine import diagnose
from loops.diagnose.explain import NOT_COMPARABLE, UNEXPLAINED

FOLDER = Path(__file__).parents[1] / "cases"
SCRIPTS = sorted(FOLDER.glob("*/case.py"))
CASES = [path for path in sorted(FOLDER.glob("*.py")) if path.stem not in ("__init__", "common")] + SCRIPTS
STEPS = 12
QUICK = {  # each setting once right and once wrong, and the oldest ones; the others by make test-diagnose
    *("correct_everything", "training_flag", "epsilon", "metrics_not_reset"),
    *("right_class_weight_words", "wrong_class_weight_forgotten"),
    *("right_loss_weights_dict", "wrong_loss_weights_forgotten"),
    *("right_sample_weight_table", "wrong_sample_weight_ignored"),
    *("right_initial_epoch_resumed", "wrong_initial_epoch_forgotten"),
    *("right_scheduler_conv", "wrong_scheduler_never_called"),
    *("right_ema_adamw", "wrong_ema_left_aside"),
    *("right_loss_scale_float16", "wrong_scale_loss_missing"),
    *("right_model_train_step", "wrong_override_regularisers"),
    *("right_script_global", "imported_script", "right_vae_x_only", "right_steps_per_execution_gru"),
}


def name_of(case: Path) -> str:
    return case.parent.name if case in SCRIPTS else case.stem


def is_expected(case: Path, verdict: str) -> bool:
    """What the case's docstring allows: names, or a pattern, and silence where it says so."""
    text = case.read_text()
    expected = re.match(r'"""Expected (verdict|pattern): (.*)\.(?:"""|\n)', text)
    assert expected, f"{case}: says of no verdict that it is expected"
    if expected[1] == "verdict":
        return any(re.fullmatch(f"{re.escape(each)}(:.*)?", verdict) for each in expected[2].split(" | "))
    may_be_silent = "Silent is fine." in text.partition('"""\n')[0]
    silent = may_be_silent and verdict.startswith((UNEXPLAINED, NOT_COMPARABLE))
    return silent or re.search(expected[2], verdict, re.IGNORECASE) is not None


def marked(case: Path) -> object:
    marks = () if name_of(case) in QUICK else pytest.mark.slow
    return pytest.param(case, id=name_of(case), marks=marks)


@pytest.mark.filterwarnings("ignore:.* received `from_logits=True`:UserWarning")  # a case's own mistake
@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_case_gets_its_verdict(case: Path) -> None:
    verdict = diagnose(case, STEPS).verdict
    assert is_expected(case, verdict), verdict


def test_quick_cases_are_all_there() -> None:
    assert not QUICK - {name_of(case) for case in CASES}
