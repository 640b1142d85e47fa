"""The comparison: exact to the bit, with distances worked out by hand."""

import numpy as np
import numpy.typing as npt
import pytest

from loops.parity.differences import differences, sha256_of_arrays, ulp_distance, weights_sha256
from model import new_model


def float32(*values: float) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


ONE = float32(1.0, -2.0)


def test_equal_bits_are_no_difference_nan_included() -> None:
    values = float32(np.nan, 1)
    assert differences({"a": values}, {"a": values.copy()}) == []


def test_last_bit_is_found_named_and_measured() -> None:
    (found,) = differences({"a": ONE, "b": ONE}, {"a": ONE, "b": np.nextafter(ONE, np.float32(9))})
    assert found.name == "b"
    assert found.ulps == 1
    assert found.largest == 2**-23
    assert found.relative == 2**-24
    assert "b: 1.19e-07 (relative 6e-08, 1 ULP)" in str(found)


def test_sign_of_zero_is_a_difference_of_no_size() -> None:
    (found,) = differences({"a": float32(0.0)}, {"a": float32(-0.0)})
    assert (found.largest, found.ulps) == (0, 0)


def test_ulps_count_representable_values_across_zero() -> None:
    assert ulp_distance(float32(1e-45), float32(-1e-45)) == 2
    assert ulp_distance(float32(1, 5), float32(2, 5)) == 2**23
    assert ulp_distance(np.array([-1e308]), np.array([1e308])) > 2**63
    assert ulp_distance(np.array(3), np.array(7)) == 4


def test_other_names_or_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="a, b"):
        differences({"a": ONE}, {"b": ONE})
    with pytest.raises(ValueError, match="a"):
        differences({"a": ONE}, {"a": ONE[:1]})


def test_hash_depends_on_every_bit_shape_and_dtype() -> None:
    variants = [ONE, np.nextafter(ONE, np.float32(9)), ONE.reshape(1, 2), ONE.view(np.int32)]
    assert len({sha256_of_arrays([variant]) for variant in variants}) == 4
    assert sha256_of_arrays([ONE.astype(">f4")]) == sha256_of_arrays([ONE])


def test_weights_hash_sees_one_changed_weight() -> None:
    model = new_model(0)
    before = weights_sha256(model)
    model.layers[0].bias.assign_add([1e-7] + [0.0] * 31)
    assert weights_sha256(model) != before
