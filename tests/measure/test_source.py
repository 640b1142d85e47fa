"""Ways to bring batches to a step: the very same ones, or refused with the reason."""

from pathlib import Path

import pytest
import tensorflow as tf

from loops.case.loading import Case
from loops.measure.ways.facts import read_facts
from loops.measure.ways.grade import BIT_IDENTICAL, REFUSED
from loops.measure.ways.same_batches import grade_of_input
from loops.measure.ways.source import KEPT, PREFETCHED, Source, kept, prefetched
from tests.case.sources import write
from tests.measure.test_ways import CASE

OWN = CASE[CASE.index("def batches") : CASE.index("def train_step")]
SLICES = "tf.data.Dataset.from_tensor_slices((X, Y))"


def case_of(folder: Path, batches: str) -> tuple[Path, Source]:
    source = CASE.replace("LAYER", "").replace("CLIP", "pass").replace(OWN, batches + "\n")
    path = write(folder, source)
    found = read_facts(path).source
    assert found
    return path, found


GIVEN = {
    "a function with a generator": (OWN, False),
    "a function with a Dataset": (f"def batches(): return {SLICES}.batch(12)", True),
    "a Dataset": (f"batches = {SLICES}.batch(12)", True),
    "doubles": (
        "def batches(): return ((X[i : i + 12].astype(float), Y[i : i + 12]) for i in (0, 12))",
        False,
    ),
    "a list": ("batches = [(X[:12], Y[:12]), (X[12:20], Y[12:20])]", False),
}


@pytest.mark.parametrize("as_list", [True, False], ids=["as list", "as Dataset"])
@pytest.mark.parametrize("given", GIVEN)
def test_kept_batches_are_the_same_in_each_pass(given: str, *, as_list: bool, tmp_path: Path) -> None:
    batches, dataset = GIVEN[given]
    path, source = case_of(tmp_path, batches)
    assert source.dataset == dataset
    code = kept(source, as_list=as_list)
    assert grade_of_input(path, KEPT, code).word == BIT_IDENTICAL
    assert isinstance(Case(path, code).source(), list if as_list else tf.data.Dataset)


def test_a_pass_that_is_shuffled_anew_is_not_kept_and_can_be_prefetched(tmp_path: Path) -> None:
    path, source = case_of(tmp_path, f"batches = {SLICES}.shuffle(40, seed=1).batch(12)")
    grade = grade_of_input(path, KEPT, kept(source, as_list=False))
    assert (grade.word, "others in each pass" in grade.why) == (REFUSED, True)
    assert grade_of_input(path, PREFETCHED, prefetched(source)).word == BIT_IDENTICAL


def test_a_generator_that_draws_anew_is_not_kept(tmp_path: Path) -> None:
    draw = "rng = np.random.default_rng(0)\ndef batches():\n    yield rng.normal(size=(4, 6)), Y[:4]"
    path, source = case_of(tmp_path, draw)
    assert grade_of_input(path, KEPT, kept(source, as_list=True)).word == REFUSED


def test_a_large_pass_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loops.measure.ways.same_batches.MOST_BYTES", 100)
    path, source = case_of(tmp_path, GIVEN["a Dataset"][0])
    assert "MiB" in grade_of_input(path, KEPT, kept(source, as_list=False)).why


def test_other_batches_are_refused(tmp_path: Path) -> None:
    path, source = case_of(tmp_path, GIVEN["a list"][0])
    grade = grade_of_input(path, PREFETCHED, f"{source.name} = {source.name}[::-1]\n")
    assert (grade.word, grade.why) == (REFUSED, "the batches are others")


def test_a_part_that_is_none_is_left_out_of_a_kept_list(tmp_path: Path) -> None:
    path, source = case_of(tmp_path, "batches = [(X[:12], Y[:12], None)]")
    assert grade_of_input(path, KEPT, kept(source, as_list=True)).word == BIT_IDENTICAL
