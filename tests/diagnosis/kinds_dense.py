"""Kinds of model made of dense layers."""

from tests.diagnosis.parts import Kind, Loss, Optimizer, Term, traits

REGRESSION = Kind(
    "mlp_regression",
    """
def make_model():
    return keras.Sequential([
        keras.Input((8,)),
        keras.layers.Dense(16, activation="tanh"),
        keras.layers.Dense(16, activation="tanh"),
        keras.layers.Dense(1),
    ])
""",
    """
def batches():
    random = np.random.default_rng(11)
    for rows in SIZES:
        x = random.normal(size=(rows, 8)).astype("float32")
        yield x, x[:, :1] - 0.5 * x[:, 1:2] * x[:, 2:3]
""",
    (24, 24, 24, 24, 24, 10),
    (Term(Loss("MeanSquaredError")),),
    Optimizer("SGD", {"learning_rate": 0.04}),
    traits("floats sequential tame"),
    swaps=((1, 3),),
)
HUBER = Kind(
    "mlp_huber",
    """
def make_model():
    features = keras.Input((10,))
    hidden = keras.layers.Dense(20, activation="elu")(features)
    return keras.Model(features, keras.layers.Dense(2)(hidden))
""",
    """
def batches():
    rng = np.random.default_rng(12)
    for rows in SIZES:
        x = rng.normal(size=(rows, 10)).astype("float32")
        yield x, np.stack([x[:, 0] * 2 - x[:, 3], np.abs(x[:, 5])], axis=1)
""",
    (30, 30, 30, 30, 17),
    (Term(Loss("Huber", {"delta": 0.7})),),
    Optimizer("Adam", {"learning_rate": 4e-3, "beta_2": 0.98}),
    traits("floats tame"),
)
ABSOLUTE = Kind(
    "mlp_absolute_error",
    """
def make_model():
    return keras.Sequential([
        keras.Input((6,)),
        keras.layers.Dense(18, activation="relu"),
        keras.layers.Dense(9, activation="relu"),
        keras.layers.Dense(3),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(13)
    for rows in SIZES:
        x = rng.uniform(-1.5, 1.5, size=(rows, 6)).astype("float32")
        yield x, np.cumsum(x[:, :3], axis=1)
""",
    (16, 16, 16, 16, 16, 16, 5),
    (Term(Loss("MeanAbsoluteError")),),
    Optimizer("Nadam", {"learning_rate": 3e-3}),
    traits("floats sequential tame"),
)
BINARY = Kind(
    "binary_logits",
    """
def make_model():
    return keras.Sequential([
        keras.Input((12,)),
        keras.layers.Dense(14, activation="relu"),
        keras.layers.Dense(1),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(14)
    for rows in SIZES:
        x = rng.normal(size=(rows, 12)).astype("float32")
        yield x, (x[:, :1] + x[:, 1:2] > 0.3).astype("float32")
""",
    (32, 32, 32, 32, 9),
    (Term(Loss("BinaryCrossentropy", {"from_logits": True})),),
    Optimizer("RMSprop", {"learning_rate": 3e-3}),
    traits("floats sequential tame"),
)
SOFTMAX = Kind(
    "softmax_one_hot",
    """
def make_model():
    return keras.Sequential([
        keras.Input((9,)),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dense(4, activation="softmax"),
    ])
""",
    """
def batches():
    random = np.random.default_rng(15)
    for rows in SIZES:
        x = random.normal(size=(rows, 9)).astype("float32")
        yield x, np.eye(4, dtype="float32")[x[:, :4].argmax(1)]
""",
    (20, 20, 20, 20, 20, 13),
    (Term(Loss("CategoricalCrossentropy")),),
    Optimizer("Adam", {"learning_rate": 5e-3}),
    traits("floats sequential tame"),
    swaps=((1, 3),),
)
SPARSE = Kind(
    "sparse_logits",
    """
def make_model():
    return keras.Sequential([
        keras.Input((10,)),
        keras.layers.Dense(24, activation="relu"),
        keras.layers.Dense(5),
    ])
""",
    """
def batches():
    random = np.random.default_rng(16)
    for rows in SIZES:
        x = random.normal(size=(rows, 10)).astype("float32")
        yield x, np.abs(x[:, :5]).argmax(1).astype("int32")
""",
    (25, 25, 25, 25, 25, 25, 11),
    (Term(Loss("SparseCategoricalCrossentropy", {"from_logits": True})),),
    Optimizer("SGD", {"learning_rate": 0.05, "momentum": 0.8}),
    traits("floats sequential tame"),
)
NORMED = Kind(
    "layernorm_gelu_adamw",
    """
def make_model():
    return keras.Sequential([
        keras.Input((10,)),
        keras.layers.Dense(20, bias_initializer="ones"),
        keras.layers.LayerNormalization(),
        keras.layers.Activation("gelu"),
        keras.layers.Dense(4, bias_initializer="ones"),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(17)
    for rows in SIZES:
        x = rng.normal(size=(rows, 10)).astype("float32")
        yield x, np.eye(4, dtype="float32")[np.abs(x[:, :4]).argmax(1)]
""",
    (28, 28, 28, 28, 9),
    (Term(Loss("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.06})),),
    Optimizer("AdamW", {"learning_rate": 3e-3, "weight_decay": 0.3}, ("bias", "gamma", "beta")),
    traits("floats sequential tame"),
    swaps=((1, 2),),
)
RESIDUAL = Kind(
    "residual_functional",
    """
def block(x, units):
    inner = keras.layers.Dense(units, activation="relu")(x)
    inner = keras.layers.Dense(units)(inner)
    return keras.layers.Activation("relu")(keras.layers.Add()([x, inner]))


def make_model():
    start = keras.Input((7,))
    x = keras.layers.Dense(12)(start)
    x = block(block(x, 12), 12)
    return keras.Model(start, keras.layers.Dense(2)(x))
""",
    """
def batches():
    rng = np.random.default_rng(18)
    for rows in SIZES:
        x = rng.normal(size=(rows, 7)).astype("float32")
        yield x, np.stack([np.sin(x[:, 0]) + x[:, 1], x[:, 2] * x[:, 3]], axis=1)
""",
    (22, 22, 22, 22, 22, 7),
    (Term(Loss("MeanSquaredError")),),
    Optimizer("SGD", {"learning_rate": 6e-3, "momentum": 0.85, "nesterov": True}),
    traits("floats"),
    swaps=((2, 4), (6, 8), (3, 5)),
)
SUBCLASSED = Kind(
    "subclassed",
    """
class Network(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(15, activation="swish")
        self.second = keras.layers.Dense(15, activation="tanh")
        self.last = keras.layers.Dense(1)

    def call(self, x, training=False):
        return self.last(self.second(self.first(x)))


make_model = Network
""",
    """
def batches():
    rng = np.random.default_rng(19)
    for rows in SIZES:
        x = rng.normal(size=(rows, 8)).astype("float32")
        yield x, (x[:, :1] ** 2 > x[:, 1:2]).astype("float32")
""",
    (26, 26, 26, 26, 12),
    (Term(Loss("BinaryCrossentropy", {"from_logits": True})),),
    Optimizer("Adam", {"learning_rate": 6e-3}),
    traits("floats tame"),
    swaps=((1, 3),),
)
MIXED_SIZES = Kind(
    "mixed_batch_sizes",
    """
def make_model():
    return keras.Sequential([
        keras.Input((9,)),
        keras.layers.Dense(16, activation="selu"),
        keras.layers.Dense(3, activation="softmax"),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(20)
    for rows in SIZES:
        x = rng.normal(size=(rows, 9)).astype("float32")
        yield x, (x[:, :3] + x[:, 3:6]).argmax(1).astype("int32")
""",
    (18, 31, 12, 25, 8),
    (Term(Loss("SparseCategoricalCrossentropy")),),
    Optimizer("Adagrad", {"learning_rate": 0.05}),
    traits("floats sequential tame"),
)
KINDS = (
    REGRESSION, HUBER, ABSOLUTE, BINARY, SOFTMAX, SPARSE, NORMED, RESIDUAL, SUBCLASSED, MIXED_SIZES,
)  # fmt: skip
