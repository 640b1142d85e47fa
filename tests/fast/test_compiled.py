"""The compiled step by itself: against float64, for narrower processors too, and what it is built of."""

import itertools
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit

from loops.data import Split
from loops.fast.compiled import build, layout, runner, step, windows
from loops.fast.compiled.kernels import OPTIONS, kernel
from loops.fast.compiled.layout import LANES, Array, zeros
from loops.fast.compiled.packing import pack, parts_of
from loops.fast.compiled.pointers import Pointer, pointers
from loops.fast.compiled.runner import Runner
from loops.fast.compiled.tiles import COLUMNS
from loops.fast.compiled.vectors import (
    compress,
    copy_transposed,
    count,
    lane_numbers,
    load,
    splat,
    store,
    total,
)
from tests import numpy_reference
from tests.fast.alone import gradients_of_a_step, new_images, new_weights, ulps

MOST_ULPS = 32  # of the largest entry of each gradient
NARROW = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+sse4.2,+popcnt,+bmi,+bmi2"}


@pytest.mark.parametrize("images", [1, 3, 4, 5, 21, 61])
def test_step_is_near_float64_at_any_batch_size(images: int) -> None:
    weights, (pixels, labels) = new_weights(images), new_images(images, images)
    found, wanted = (
        each(weights, pixels, labels) for each in (gradients_of_a_step, numpy_reference.gradients)
    )
    assert max(ulps(found[0], wanted[0])) < MOST_ULPS
    assert found[1] == pytest.approx(wanted[1], rel=1e-6)
    assert found[2] == wanted[2]


def test_step_is_near_float64_where_all_images_are_blank() -> None:
    weights, labels = new_weights(1), np.arange(9, dtype=np.uint8)
    pixels = np.zeros((9, 28, 28, 1), np.uint8)
    found, wanted = (
        each(weights, pixels, labels)[0] for each in (gradients_of_a_step, numpy_reference.gradients)
    )
    assert not found[0].any()
    assert max(ulps(found[1:], wanted[1:])) < MOST_ULPS


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names a processor of this family")
def test_step_for_a_processor_of_less_width_is_near_float64(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.fast.alone"],
        env={**os.environ, **NARROW, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["columns"] == LANES
    assert found["losses"][0] == pytest.approx(found["losses"][1], rel=1e-6)
    assert max(found["ulps"]) < MOST_ULPS


TRAIN_A_STEP = """
from loops import data
from loops.fast.compiled import layout, runner
split = data.load().train.first(8)
adam = layout.Adam(runner.np.zeros(1, "f4"), *[runner.np.float32(0)] * 3)
runner.Runner(split, 8).run(runner.np.arange(8), layout.new_parameters(), adam)
"""


def test_what_was_compiled_ahead_is_what_the_step_loads(tmp_path: Path) -> None:
    """In a process of its own, as `tape --fast` starts it; then one file lies in the cache, not two."""
    own = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    for what in (("-m", "loops.fast.compiled.build"), ("-c", TRAIN_A_STEP)):
        subprocess.run([sys.executable, *what], env=own, check=True, capture_output=True)
        assert len(list(tmp_path.rglob("*.nbc"))) == 1


def test_code_for_another_processor_or_of_another_version_has_files_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def file_name() -> str:
        step.compiled.cache_clear()
        return str(step.compiled()._cache._cache_file._index_name)  # type: ignore[attr-defined]

    own = file_name()
    assert file_name() == own
    monkeypatch.setattr(step, "COLUMNS", 1)
    other_processor = file_name()
    monkeypatch.undo()
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"another version")
    other_version = file_name()
    monkeypatch.undo()
    step.compiled.cache_clear()
    assert len({own, other_processor, other_version}) == 3


@pytest.mark.parametrize("damage", [b"", b"no index"])
def test_a_damaged_cache_is_as_none(damage: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step.compiled.cache_clear()
    file = step.compiled()._cache._cache_file  # type: ignore[attr-defined]
    (tmp_path / "index").write_bytes(damage)
    monkeypatch.setattr(file, "_index_path", str(tmp_path / "index"))
    assert not step.is_compiled()
    weights, (pixels, labels) = new_weights(0), new_images(4, 0)
    split = Split(pixels, labels)
    parameters = layout.new_parameters()
    parameters.weights[: layout.PARAMETERS] = pack(weights)
    adam = layout.Adam(np.zeros(1, np.float32), *[np.float32(0)] * 3)
    losses, _ = Runner(split, 4).run(np.arange(4), parameters, adam)
    assert losses[0] == pytest.approx(numpy_reference.gradients(weights, pixels, labels)[1], rel=1e-6)
    assert not (tmp_path / "index").exists()  # the next process finds none, and none that is damaged
    step.compiled.cache_clear()


def test_sizes_that_vectors_and_tiles_rest_on_divide_what_they_must() -> None:
    for size in (layout.CHANNELS, layout.FILTERS, layout.HIDDEN, layout.ROOM, layout.ROOM_FOR_GRADIENTS):
        assert size % layout.LANES == 0
    assert layout.WINDOW_ROWS % layout.ROWS == layout.FILTERS % COLUMNS == layout.HIDDEN % COLUMNS == 0
    assert layout.ROOM >= layout.PARAMETERS
    assert layout.MAP < 2**24  # places are computed as floats


@pytest.mark.parametrize(
    ("pixels", "labels"),
    [
        (np.zeros((3, 28, 28, 1), np.float32), np.zeros(3, np.uint8)),
        (np.zeros((3, 32, 32, 1), np.uint8), np.zeros(3, np.uint8)),
        (np.zeros((3, 28, 28, 1), np.uint8), np.zeros(2, np.uint8)),
        (np.zeros((3, 28, 28, 1), np.uint8), np.array([0, 10, 1], np.uint8)),
    ],
)
def test_images_and_labels_that_pointers_cannot_take_are_refused(pixels: Array, labels: Array) -> None:
    with pytest.raises(ValueError, match="the compiled step takes"):
        Runner(Split(pixels, labels), 2)


@pytest.mark.parametrize("order", [[0, 3], [-1, 0], [0], [0, 1, 2]])
def test_an_order_of_images_that_are_not_there_is_refused(order: list[int]) -> None:
    split = Split(np.zeros((3, 28, 28, 1), np.uint8), np.zeros(3, np.uint8))
    adam = layout.Adam(np.zeros(1, np.float32), *[np.float32(0)] * 3)
    with pytest.raises(ValueError, match="an order of 1 batches of 2 images"):
        Runner(split, 2).run(np.array(order), layout.new_parameters(), adam)


def test_a_thread_that_fails_lets_the_others_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "cores", lambda: 3)
    own = Runner(Split(np.zeros((60, 28, 28, 1), np.uint8), np.zeros(60, np.uint8)), 60)
    adam, order = layout.Adam(np.zeros(1, np.float32), *[np.float32(0)] * 3), np.arange(60)
    own.run(order, layout.new_parameters(), adam)
    real, last = own._step, own._scratch[-1]
    assert real

    def failing(*words: Any) -> None:
        if words[4] is last:
            raise MemoryError
        real(*words)

    own._step = failing
    with pytest.raises(MemoryError):
        own.run(order, layout.new_parameters(), adam)


def test_compiling_ahead_is_begun_once_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "is_compiled", lambda: True)
    assert not build.begin()
    monkeypatch.setattr(step, "is_compiled", lambda: False)
    monkeypatch.setattr(build, "COMMAND", (sys.executable, "-c", "import time; time.sleep(0.3)"))
    assert build.begin()
    (process,) = build._running
    build.finish()
    assert process.returncode == 0
    build.finish()  # nothing is left to wait for


def test_compiling_ahead_that_cannot_start_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "is_compiled", lambda: False)
    monkeypatch.setattr(build, "COMMAND", ("/no/such/program",))
    assert not build.begin()
    build.finish()


@pytest.mark.parametrize("images", [1, 4, 5, 8, 32, 60, 128, 257, 300, 1000])
def test_parts_are_nearly_equal_and_as_many_as_few_threads_share_out_evenly(images: int) -> None:
    parts, tiles = parts_of(images), -(-images // 4)
    assert parts % 4 == 0 or parts == tiles
    bounds = [tiles * number // parts for number in range(parts + 1)]
    sizes = {stop - start for start, stop in itertools.pairwise(bounds)}
    assert max(sizes) <= 3
    assert max(sizes) - min(sizes) <= 1


@njit(**OPTIONS)
def list_windows(images: int, own: Any) -> tuple[int, int]:
    found: tuple[int, int] = windows.list_windows(images, own)
    return found


def listed(blank: Array) -> tuple[layout.Scratch, int, int]:
    """Scratch and counts of windows for images of which `blank` (image, 14, 14) are blank places."""
    own = layout.new_scratch(len(blank))
    own.blank[:, : layout.SIDE] = (blank * 2 ** np.arange(layout.SIDE)).sum(-1) + 2**layout.SIDE
    return own, *list_windows(len(blank), pointers(own))


def test_blank_windows_are_computed_once_for_each_kind_of_border() -> None:
    own, computed, copies = listed(np.ones((4, 14, 14), np.int64))
    assert (computed, copies) == (4, 4 * 49 - 4)
    assert own.live[:computed].tolist() == [0, 6, 42, 48]  # within, at the right, below, in the corner
    kinds = {(copy % 49 % 7 == 6, copy % 49 // 7 == 6) for copy in own.copies[:copies]}
    assert len(kinds) == 4
    for copy, original in zip(own.copies[:copies] % 49, own.originals[:copies] % 49, strict=True):
        assert (copy % 7 == 6, copy // 7 == 6) == (original % 7 == 6, original // 7 == 6)


def test_a_window_is_blank_only_if_all_nine_places_under_it_are() -> None:
    for i in range(14):
        for j in range(14):
            blank = np.ones((2, 14, 14), np.int64)
            blank[1, i, j] = 0
            own, computed, copies = listed(blank)
            of_second = {window - 49 for window in own.live[:computed] if window >= 49}
            rows, columns = ({at // 2, (at - 1) // 2 if at else 0} for at in (i, j))
            above = {row * 7 + column for row in rows for column in columns}
            assert of_second == above, (i, j)
            assert computed + copies == 98


def test_vectors_do_what_numpy_does() -> None:
    random = np.random.default_rng(0)
    numbers, square = random.normal(size=LANES).astype(np.float32), random.normal(size=(LANES, 40))
    numbers[::3] = 0
    square = square.astype(np.float32)
    packed, sums, turned = (
        np.zeros(LANES, np.float32),
        np.zeros(2, np.float32),
        np.zeros((LANES, 20), np.float32),
    )

    @njit(**OPTIONS)
    def run(numbers: Any, packed: Any, sums: Any, square: Any, turned: Any) -> int:
        mask = load(numbers, 0) != splat(np.float32(0))
        store(packed, 0, compress(lane_numbers(), mask))
        sums[0] = total(load(numbers, 0))
        copy_transposed(square, 40, turned, 20)
        found: int = count(mask)
        return found

    found = run(*map(Pointer, (numbers, packed, sums, square, turned)))
    wanted = np.flatnonzero(numbers)
    assert found == len(wanted)
    assert packed[:found].tolist() == wanted.tolist()
    assert sums[0] == pytest.approx(numbers.sum(), rel=1e-5)
    np.testing.assert_array_equal(turned[:, :LANES], square[:, :LANES].T)


def test_kernels_are_compiled_for_the_types_they_are_called_with() -> None:
    @kernel
    def twice(value: Any) -> Any:
        return value + value

    @kernel
    def twice_each(a: Any, b: Any) -> Any:
        return twice(a), twice(b)

    @njit(**OPTIONS)
    def run(a: float, b: int) -> tuple[float, int]:
        found: tuple[float, int] = twice_each(a, b)
        return found

    assert run(1.25, 3) == (2.5, 6)


def test_a_pointer_keeps_its_array_and_refuses_one_with_gaps() -> None:
    pointer = Pointer(zeros(8) + np.arange(8, dtype=np.float32))

    @njit(**OPTIONS)
    def run(pointer: Any) -> float:
        third = pointer + 3
        third[1] = 40
        found: float = pointer[4] + third[0]
        return found

    assert run(pointer) == 43
    with pytest.raises(ValueError, match="without gaps"):
        Pointer(np.zeros((4, 4))[:, :2])
