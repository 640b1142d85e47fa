"""Batch order: a pure function of (seed, epoch, step), the same from wherever a run starts."""

import numpy as np
import pytest

from loops.batches import evaluation_stream, index_stream, permutation, training_stream
from loops.config import TrainConfig
from loops.data import FashionMnist

CONFIG = TrainConfig(epochs=3, batch_size=60, seed=5)
IMAGES = 250  # 4 batches of 60 and one of 10


def all_batches(config: TrainConfig = CONFIG, first_step: int = 0) -> list[list[int]]:
    return [batch.tolist() for batch in index_stream(IMAGES, config, first_step).as_numpy_iterator()]


def test_each_epoch_is_a_permutation_of_all_images() -> None:
    batches = all_batches()
    assert [len(batch) for batch in batches] == [60, 60, 60, 60, 10] * 3
    for epoch in range(3):
        seen = [index for batch in batches[5 * epoch : 5 * epoch + 5] for index in batch]
        assert sorted(seen) == list(range(IMAGES))
        assert seen == permutation(IMAGES, CONFIG.seed, epoch).numpy().tolist()


def test_every_epoch_and_every_seed_has_an_order_of_its_own() -> None:
    orders = {
        tuple(permutation(IMAGES, seed, epoch).numpy()) for seed in (0, 1, 2**32 - 1) for epoch in range(3)
    }
    assert len(orders) == 9


def test_order_is_the_one_recorded_runs_have_seen() -> None:
    assert permutation(10, seed=0, epoch=0).numpy().tolist() == [0, 4, 1, 5, 6, 8, 2, 3, 9, 7]


@pytest.mark.parametrize("first_step", range(16))
def test_start_at_any_step_sees_what_an_uninterrupted_run_saw(first_step: int) -> None:
    assert all_batches(first_step=first_step) == all_batches()[first_step:]


def test_batch_larger_than_the_data_holds_all_of_it() -> None:
    config = TrainConfig(epochs=2, batch_size=1000)
    assert config.steps_per_epoch(IMAGES) == 1
    assert [len(batch) for batch in all_batches(config)] == [IMAGES, IMAGES]


def test_batches_hold_scaled_pixels_and_one_hot_labels_of_the_drawn_images(small: FashionMnist) -> None:
    indices = all_batches()[4]
    images, labels = list(training_stream(small.train, CONFIG).as_numpy_iterator())[4]
    assert images.dtype == labels.dtype == np.float32
    assert np.array_equal(images, small.train.images[indices].astype(np.float32) * np.float32(1 / 255))
    assert np.array_equal(labels, np.eye(10, dtype=np.float32)[small.train.labels[indices]])
    assert images.max() == 1


def test_evaluation_keeps_file_order_and_the_partial_batch(small: FashionMnist) -> None:
    batches = list(evaluation_stream(small.test, 60).as_numpy_iterator())
    assert [len(images) for images, _ in batches] == [60, 10]
    assert np.concatenate([labels for _, labels in batches]).argmax(1).tolist() == small.test.labels.tolist()
