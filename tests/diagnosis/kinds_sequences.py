"""Kinds of model for words and time series: embeddings, recurrent layers, attention."""

from tests.diagnosis.parts import Kind, Loss, Optimizer, Term, traits

EMBEDDING = Kind(
    "embedding_pooling",
    """
def make_model():
    return keras.Sequential([
        keras.Input((12,), dtype="int32"),
        keras.layers.Embedding(30, 8),
        keras.layers.GlobalAveragePooling1D(),
        keras.layers.Dense(10, activation="relu"),
        keras.layers.Dense(1),
    ])
""",
    """
def batches():
    random = np.random.default_rng(41)
    for rows in SIZES:
        words = random.integers(0, 30, (rows, 12)).astype("int32")
        yield words, (words.mean(1, keepdims=True) > 14.5).astype("float32")
""",
    (24, 24, 24, 24, 24, 13),
    (Term(Loss("BinaryCrossentropy", {"from_logits": True})),),
    Optimizer("Adam", {"learning_rate": 8e-3}),
    traits("embedding sequential"),
)
LSTM = Kind(
    "lstm_many_to_one",
    """
def make_model():
    series = keras.Input((9, 3))
    state = keras.layers.LSTM(8)(series)
    return keras.Model(series, keras.layers.Dense(2)(state))
""",
    """
def batches():
    rng = np.random.default_rng(42)
    for rows in SIZES:
        x = rng.normal(size=(rows, 9, 3)).astype("float32")
        yield x, np.stack([x[:, -1, 0], x[:, :, 1].mean(1)], axis=1)
""",
    (16, 16, 16, 16, 10),
    (Term(Loss("MeanSquaredError")),),
    Optimizer("Adam", {"learning_rate": 6e-3, "clipnorm": 0.11}),
    traits("floats recurrent clipped"),
)
TAGGER = Kind(
    "gru_tagger_masked",
    """
def make_model():
    return keras.Sequential([
        keras.Input((9,), dtype="int32"),
        keras.layers.Embedding(20, 6, mask_zero=True),
        keras.layers.GRU(8, return_sequences=True),
        keras.layers.Dense(4),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(43)
    for rows in SIZES:
        words = rng.integers(1, 20, (rows, 9))
        words[np.arange(9) >= rng.integers(2, 10, (rows, 1))] = 0
        yield words.astype("int32"), (words % 4).astype("int32")
""",
    (16, 16, 16, 16, 7),
    (Term(Loss("SparseCategoricalCrossentropy", {"from_logits": True})),),
    Optimizer("Adam", {"learning_rate": 1e-2}),
    traits("embedding recurrent time padded sequential"),
    mask="tf.not_equal($x, 0)",
)
BIDIRECTIONAL = Kind(
    "bidirectional_masking",
    """
def make_model():
    sensors = keras.Input((8, 3))
    seen = keras.layers.Masking(0.0)(sensors)
    seen = keras.layers.Bidirectional(keras.layers.LSTM(5, return_sequences=True))(seen)
    return keras.Model(sensors, keras.layers.Dense(2)(seen))
""",
    """
def batches():
    rng = np.random.default_rng(44)
    for rows in SIZES:
        real = np.arange(8) < rng.integers(2, 9, (rows, 1))
        x = rng.normal(size=(rows, 8, 3)) * real[..., None]
        yield x.astype("float32"), np.cumsum(x[..., :2], axis=1).astype("float32")
""",
    (15, 15, 15, 15, 8),
    (Term(Loss("MeanAbsoluteError")),),
    Optimizer("RMSprop", {"learning_rate": 4e-3}),
    traits("floats recurrent time padded"),
    mask="tf.reduce_any(tf.not_equal($x, 0.0), axis=-1)",
)
ATTENTION = Kind(
    "attention_cosine",
    """
def make_model():
    tokens = keras.Input((6, 8))
    seen = keras.layers.MultiHeadAttention(2, 4)(tokens, tokens)
    x = keras.layers.LayerNormalization()(keras.layers.Add()([tokens, seen]))
    x = keras.layers.Dense(12, activation="gelu")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(tokens, keras.layers.Dense(3)(x))
""",
    """
def batches():
    rng = np.random.default_rng(45)
    for rows in SIZES:
        x = rng.normal(size=(rows, 6, 8)).astype("float32")
        yield x, x.sum(1)[:, :3].argmax(1).astype("int32")
""",
    (20, 20, 20, 20, 20, 9),
    (Term(Loss("SparseCategoricalCrossentropy", {"from_logits": True})),),
    Optimizer("Adam", {"learning_rate": "keras.optimizers.schedules.CosineDecay(0.01, 24, alpha=0.05)"}),
    traits("floats"),
    swaps=((0, 2), (2, 4), (0, 4)),
)
SERIES = Kind(
    "conv1d_series_weighted",
    """
def make_model():
    x = keras.Input((9, 3))
    h = keras.layers.Conv1D(10, 3, padding="same", activation="relu")(x)
    h = keras.layers.Conv1D(10, 3, padding="same", activation="relu")(h)
    return keras.Model(x, keras.layers.Dense(2)(h))
""",
    """
def batches():
    rng = np.random.default_rng(46)
    for rows in SIZES:
        x = rng.normal(size=(rows, 9, 3)).astype("float32")
        weights = 0.85 ** np.arange(9)[None] * rng.uniform(0.2, 2.5, (rows, 1))
        yield x, np.cumsum(x[..., :2], axis=1), weights.astype("float32")
""",
    (14, 14, 14, 14, 5),
    (Term(Loss("MeanAbsoluteError")),),
    Optimizer("SGD", {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True}),
    traits("floats time"),
    weight="sample",
    swaps=((1, 3),),
)
KINDS = (EMBEDDING, LSTM, TAGGER, BIDIRECTIONAL, ATTENTION, SERIES)
