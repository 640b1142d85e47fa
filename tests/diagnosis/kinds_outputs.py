"""Kinds of model with several outputs or inputs, or with losses that the model adds itself."""

from tests.diagnosis.parts import Kind, Loss, Optimizer, Term, traits

TWO_OUTPUTS = Kind(
    "two_outputs_dict",
    """
def make_model():
    x = keras.Input((9,))
    base = keras.layers.Dense(16, activation="relu", name="base")(x)
    box = keras.layers.Dense(4, name="box")(base)
    kind = keras.layers.Dense(3, activation="softmax", name="kind")(base)
    return keras.Model(x, {"box": box, "kind": kind})
""",
    """
def batches():
    rng = np.random.default_rng(51)
    for rows in SIZES:
        x = rng.normal(size=(rows, 9)).astype("float32")
        yield x, {"box": x[:, :4] * 1.5, "kind": x[:, 4:7].argmax(1).astype("int32")}
""",
    (22, 22, 22, 22, 22, 10),
    (
        Term(Loss("MeanSquaredError"), '"box"'),
        Term(Loss("SparseCategoricalCrossentropy"), '"kind"'),
    ),
    Optimizer("Adam", {"learning_rate": 4e-3}),
    traits("floats outputs"),
)
WEIGHED_OUTPUTS = Kind(
    "two_outputs_weighed",
    """
def make_model():
    start = keras.Input((11,))
    hidden = keras.layers.Dense(18, activation="relu")(start)
    price = keras.layers.Dense(1, name="price")(hidden)
    sold = keras.layers.Dense(1, name="sold")(hidden)
    return keras.Model(start, {"price": price, "sold": sold})
""",
    """
def batches():
    rng = np.random.default_rng(52)
    for rows in SIZES:
        x = rng.normal(size=(rows, 11)).astype("float32")
        yield x, {"price": x[:, :3].sum(1, keepdims=True), "sold": (x[:, :1] > 0).astype("float32")}
""",
    (24, 24, 24, 24, 9),
    (
        Term(Loss("MeanAbsoluteError"), '"price"', 0.7),
        Term(Loss("BinaryCrossentropy", {"from_logits": True}), '"sold"', 0.2),
    ),
    Optimizer("RMSprop", {"learning_rate": 2e-3}),
    traits("floats outputs weighed"),
    swaps=((2, 4),),
)
THREE_OUTPUTS = Kind(
    "three_outputs_list",
    """
def make_model():
    x = keras.Input((8,))
    h = keras.layers.Dense(14, activation="tanh")(x)
    sizes = {"mean": 2, "group": 3, "flag": 1}
    heads = [keras.layers.Dense(size, name=name) for name, size in sizes.items()]
    return keras.Model(x, [head(h) for head in heads])
""",
    """
def batches():
    rng = np.random.default_rng(53)
    for rows in SIZES:
        x = rng.normal(size=(rows, 8)).astype("float32")
        group = np.eye(3, dtype="float32")[x[:, 4:7].argmax(1)]
        yield x, (x[:, :2] - x[:, 2:4], group, (x[:, 7:] > 0).astype("float32"))
""",
    (20, 20, 20, 20, 12),
    (
        Term(Loss("MeanSquaredError"), "0", 1.0),
        Term(Loss("CategoricalCrossentropy", {"from_logits": True}), "1", 0.4),
        Term(Loss("BinaryCrossentropy", {"from_logits": True}), "2", 0.25),
    ),
    Optimizer("SGD", {"learning_rate": 0.05, "momentum": 0.75}),
    traits("floats outputs weighed"),
    listed=True,
)
TWO_INPUTS = Kind(
    "two_inputs",
    """
def make_model():
    left, right = keras.Input((5,), name="left"), keras.Input((7,), name="right")
    a = keras.layers.Dense(8, activation="relu")(left)
    b = keras.layers.Dense(8, activation="relu")(right)
    joined = keras.layers.Concatenate()([a, b, keras.layers.Multiply()([a, b])])
    return keras.Model({"left": left, "right": right}, keras.layers.Dense(1)(joined))
""",
    """
def batches():
    rng = np.random.default_rng(54)
    for rows in SIZES:
        left = rng.normal(size=(rows, 5)).astype("float32")
        right = rng.normal(size=(rows, 7)).astype("float32")
        yield {"left": left, "right": right}, left[:, :1] * right[:, :1] + left[:, 1:2]
""",
    (21, 21, 21, 21, 21, 6),
    (Term(Loss("MeanSquaredError")),),
    Optimizer("Adam", {"learning_rate": 7e-3, "epsilon": 1e-6}),
    traits("inputs tame"),
    swaps=((1, 3),),
)
AUTOENCODER = Kind(
    "autoencoder_activity",
    """
def make_model():
    return keras.Sequential([
        keras.Input((14,)),
        keras.layers.Dense(10, activation="relu", activity_regularizer=keras.regularizers.L1(0.02)),
        keras.layers.Dense(14),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(55)
    mixing = rng.normal(size=(4, 14))
    for rows in SIZES:
        x = (rng.normal(size=(rows, 4)) @ mixing / 2).astype("float32")
        yield x, x
""",
    (24, 24, 24, 24, 24, 15),
    (Term(Loss("MeanSquaredError")),),
    Optimizer("Adam", {"learning_rate": 5e-3}),
    traits("floats losses sequential batchloss"),
)
VAE = Kind(
    "vae_divergence",
    """
class Sampling(keras.layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.noise = keras.random.SeedGenerator(7)

    def call(self, moments):
        mean, log_variance = keras.ops.split(moments, 2, axis=-1)
        terms = 1 + log_variance - mean**2 - keras.ops.exp(log_variance)
        self.add_loss(-0.03 * keras.ops.mean(keras.ops.sum(terms, axis=-1)))
        noise = keras.random.normal(keras.ops.shape(mean), seed=self.noise)
        return mean + keras.ops.exp(0.5 * log_variance) * noise


def make_model():
    x = keras.Input((12,))
    h = keras.layers.Dense(16, activation="relu")(x)
    z = Sampling()(keras.layers.Dense(6)(h))
    h = keras.layers.Dense(16, activation="relu")(z)
    return keras.Model(x, keras.layers.Dense(12)(h))
""",
    """
def batches():
    rng = np.random.default_rng(56)
    mixing = rng.normal(size=(3, 12))
    for rows in SIZES:
        x = np.tanh(rng.normal(size=(rows, 3)) @ mixing).astype("float32")
        yield x, x
""",
    (20, 20, 20, 20, 8),
    (Term(Loss("MeanSquaredError")),),
    Optimizer("Adam", {"learning_rate": 5e-3}),
    traits("floats losses random batchloss divergence"),
    swaps=((1, 5),),
)
KINDS = (TWO_OUTPUTS, WEIGHED_OUTPUTS, THREE_OUTPUTS, TWO_INPUTS, AUTOENCODER, VAE)
