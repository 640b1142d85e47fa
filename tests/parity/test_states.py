"""Names of variables: their order, their text, and what a snapshot calls them."""

import tensorflow as tf

from loops.parity.states import VariableName, local_path, snapshot


def test_variables_are_ordered_by_index_and_not_by_their_text() -> None:
    ten, two = VariableName(10, "a"), VariableName(2, "b")
    assert sorted([ten, two]) == [two, ten]
    assert str(ten) == "10 a"


def test_path_loses_the_numbers_that_keras_adds() -> None:
    layer = tf.keras.layers.Dense(1, name="dense_3")
    layer.build((None, 2))
    assert local_path(layer.kernel) == "dense/kernel"


def test_snapshot_tells_weights_from_random_states_and_keeps_their_indices() -> None:
    model = tf.keras.Sequential(
        [tf.keras.layers.Input((2,)), tf.keras.layers.Dropout(0.5, seed=0), tf.keras.layers.Dense(1)]
    )
    optimizer = tf.keras.optimizers.SGD()
    optimizer.build(model.trainable_variables)
    state = snapshot(model, optimizer, {}, metrics=[tf.Variable(1.0)])
    assert {**state.weights, **state.random}.keys() == {
        VariableName(index, local_path(variable)) for index, variable in enumerate(model.variables)
    }
    assert [name.path.rpartition("/")[2] for name in state.random] == ["seed_generator_state"]
    assert [name.index for name in state.slots] == list(range(len(optimizer.variables)))
    assert list(state.metrics) == [VariableName(0, "metric")]
