"""Kinds that differ in how they are trained: regularised, frozen, weighed, constrained, clipped."""

from tests.diagnosis.parts import Kind, Loss, Optimizer, Term, traits

DROPOUT = Kind(
    "dropout_mlp",
    """
def make_model():
    return keras.Sequential([
        keras.Input((10,)),
        keras.layers.Dense(24, activation="relu"),
        keras.layers.Dropout(0.25),
        keras.layers.Dense(24, activation="relu"),
        keras.layers.Dropout(0.4),
        keras.layers.Dense(3),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(61)
    for rows in SIZES:
        x = rng.normal(size=(rows, 10)).astype("float32")
        yield x, x[:, :3].argmax(1).astype("int32")
""",
    (26, 26, 26, 26, 11),
    (Term(Loss("SparseCategoricalCrossentropy", {"from_logits": True})),),
    Optimizer("SGD", {"learning_rate": 0.1}),
    traits("floats dropout random sequential"),
    swaps=((1, 3),),
)
REGULARISED = Kind(
    "l2_regularised",
    """
def make_model():
    penalty = keras.regularizers.L2(0.01)
    return keras.Sequential([
        keras.Input((9,)),
        keras.layers.Dense(16, activation="relu", kernel_regularizer=penalty),
        keras.layers.Dense(16, activation="relu", kernel_regularizer=penalty),
        keras.layers.Dense(1, kernel_regularizer=penalty),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(62)
    for rows in SIZES:
        x = rng.normal(size=(rows, 9)).astype("float32")
        yield x, np.abs(x[:, :1]) + x[:, 1:2]
""",
    (23, 23, 23, 23, 23, 9),
    (Term(Loss("MeanSquaredError")),),
    Optimizer("SGD", {"learning_rate": 0.015, "momentum": 0.8}),
    traits("floats losses sequential tame"),
    swaps=((1, 3),),
)
REGULARISED_CONV = Kind(
    "l2_conv_batchnorm",
    """
def make_model():
    picture = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(6, 3, kernel_regularizer=keras.regularizers.L2(0.02))(picture)
    x = keras.layers.Activation("relu")(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.Flatten()(x)
    return keras.Model(picture, keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L1(0.003))(x))
""",
    """
def batches():
    rng = np.random.default_rng(63)
    for rows in SIZES:
        images = rng.normal(size=(rows, 8, 8, 2)).astype("float32")
        yield images, images[:, 2:5, 3, 0].argmax(1).astype("int32")
""",
    (19, 19, 19, 19, 10),
    (Term(Loss("SparseCategoricalCrossentropy", {"from_logits": True})),),
    Optimizer("Adam", {"learning_rate": 3e-3}),
    traits("floats losses batchnorm"),
    swaps=((1, 2), (2, 3)),
)
FROZEN = Kind(
    "frozen_backbone",
    """
def make_model():
    backbone = keras.Sequential([
        keras.Input((12,)),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(16, activation="relu"),
    ])
    backbone.trainable = False
    return keras.Sequential([
        keras.Input((12,)),
        backbone,
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dense(3, activation="softmax"),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(64)
    for rows in SIZES:
        x = rng.normal(size=(rows, 12)).astype("float32")
        yield x, np.eye(3, dtype="float32")[x[:, :3].argmax(1)]
""",
    (26, 26, 26, 26, 11),
    (Term(Loss("CategoricalCrossentropy")),),
    Optimizer("Adam", {"learning_rate": 5e-3}),
    traits("floats frozen tame"),
)
CLASS_WEIGHT = Kind(
    "class_weight",
    """
def make_model():
    return keras.Sequential([
        keras.Input((8,)),
        keras.layers.Dense(20, activation="relu"),
        keras.layers.Dense(3, activation="softmax"),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(65)
    for rows in SIZES:
        x = rng.normal(size=(rows, 8)).astype("float32")
        yield x, np.digitize(x[:, 0] + x[:, 1], [0.5, 1.6]).astype("int32")
""",
    (25, 25, 25, 25, 25, 14),
    (Term(Loss("SparseCategoricalCrossentropy")),),
    Optimizer("Adam", {"learning_rate": 5e-3}),
    traits("floats sequential tame"),
    weight="class",
    class_weight=(0.55, 1.7, 4.2),
)
CLASS_WEIGHT_SGD = Kind(
    "class_weight_binary",
    """
def make_model():
    x = keras.Input((10,))
    h = keras.layers.Dense(12, activation="tanh")(x)
    return keras.Model(x, keras.layers.Dense(2)(h))
""",
    """
def batches():
    rng = np.random.default_rng(66)
    for rows in SIZES:
        x = rng.normal(size=(rows, 10)).astype("float32")
        yield x, (x[:, 0] - x[:, 4] > 1.2).astype("int32")
""",
    (30, 30, 30, 30, 16),
    (Term(Loss("SparseCategoricalCrossentropy", {"from_logits": True})),),
    Optimizer("SGD", {"learning_rate": 0.08, "momentum": 0.6}),
    traits("floats tame"),
    weight="class",
    class_weight=(0.6, 2.9),
)
SAMPLE_WEIGHT = Kind(
    "sample_weight",
    """
def make_model():
    return keras.Sequential([
        keras.Input((7,)),
        keras.layers.Dense(15, activation="relu"),
        keras.layers.Dense(1),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(67)
    for rows in SIZES:
        x = rng.normal(size=(rows, 7)).astype("float32")
        yield x, x[:, :1] * 2 - np.abs(x[:, 1:2]), rng.gamma(1.5, 1.0, rows).astype("float32")
""",
    (24, 24, 24, 24, 24, 9),
    (Term(Loss("MeanSquaredError")),),
    Optimizer("SGD", {"learning_rate": 0.02}),
    traits("floats sequential tame"),
    weight="sample",
)
CONSTRAINED = Kind(
    "weight_constraints",
    """
def make_model():
    return keras.Sequential([
        keras.Input((9,)),
        keras.layers.Dense(14, activation="relu", kernel_constraint=keras.constraints.MaxNorm(0.6)),
        keras.layers.Dense(1, kernel_constraint=keras.constraints.NonNeg()),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(68)
    for rows in SIZES:
        x = rng.normal(size=(rows, 9)).astype("float32")
        yield x, np.maximum(x[:, :1], 0) * 2 - x[:, 1:2]
""",
    (22, 22, 22, 22, 13),
    (Term(Loss("MeanSquaredError")),),
    Optimizer("SGD", {"learning_rate": 0.03, "momentum": 0.7}),
    traits("floats sequential constrained tame"),
)
CLIPPED = Kind(
    "global_clipnorm",
    """
def make_model():
    return keras.Sequential([
        keras.Input((10,)),
        keras.layers.Dense(16, activation="tanh"),
        keras.layers.Dense(16, activation="tanh"),
        keras.layers.Dense(2),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(69)
    for rows in SIZES:
        x = rng.normal(size=(rows, 10)).astype("float32")
        yield x, np.stack([x[:, 0] * 3, x[:, 1] - x[:, 2]], axis=1)
""",
    (20, 20, 20, 20, 20, 12),
    (Term(Loss("MeanSquaredError")),),
    Optimizer("SGD", {"learning_rate": 0.05, "momentum": 0.5, "global_clipnorm": 0.9}),
    traits("floats sequential clipped tame"),
    swaps=((1, 3),),
)
SCHEDULED = Kind(
    "sgd_cosine_schedule",
    """
def make_model():
    x = keras.Input((8,))
    h = keras.layers.Dense(16, activation="relu")(x)
    h = keras.layers.Dense(8, activation="relu")(h)
    return keras.Model(x, keras.layers.Dense(4)(h))
""",
    """
def batches():
    rng = np.random.default_rng(70)
    for rows in SIZES:
        x = rng.normal(size=(rows, 8)).astype("float32")
        yield x, x[:, 2:6].argmax(1).astype("int32")
""",
    (24, 24, 24, 24, 7),
    (Term(Loss("SparseCategoricalCrossentropy", {"from_logits": True})),),
    Optimizer(
        "SGD",
        {"learning_rate": "keras.optimizers.schedules.ExponentialDecay(0.2, 6, 0.7)", "momentum": 0.6},
    ),
    traits("floats tame"),
)
DECAYED = Kind(
    "adamw_plain",
    """
def make_model():
    return keras.Sequential([
        keras.Input((8,)),
        keras.layers.Dense(18, activation="relu"),
        keras.layers.Dense(3),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(71)
    for rows in SIZES:
        x = rng.normal(size=(rows, 8)).astype("float32")
        yield x, x[:, 1:4].argmax(1).astype("int32")
""",
    (20, 20, 20, 20, 20, 9),
    (Term(Loss("SparseCategoricalCrossentropy", {"from_logits": True})),),
    Optimizer("AdamW", {"learning_rate": 4e-3, "weight_decay": 0.35}),
    traits("floats sequential tame"),
)
AVERAGED = Kind(
    "adam_ema",
    """
def make_model():
    x = keras.Input((9,))
    h = keras.layers.Dense(16, activation="silu")(x)
    return keras.Model(x, keras.layers.Dense(2)(h))
""",
    """
def batches():
    rng = np.random.default_rng(72)
    for rows in SIZES:
        x = rng.normal(size=(rows, 9)).astype("float32")
        yield x, np.stack([np.sin(x[:, 0]), x[:, 1] * x[:, 2]], axis=1)
""",
    (22, 22, 22, 22, 22, 10),
    (Term(Loss("MeanSquaredError")),),
    Optimizer("Adam", {"learning_rate": 6e-3, "use_ema": True, "ema_momentum": 0.87}),
    traits("floats ema tame"),
)
KINDS = (
    DROPOUT, REGULARISED, REGULARISED_CONV, FROZEN, CLASS_WEIGHT, CLASS_WEIGHT_SGD, SAMPLE_WEIGHT,
    CONSTRAINED, CLIPPED, SCHEDULED, DECAYED, AVERAGED,
)  # fmt: skip
