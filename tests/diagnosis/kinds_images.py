"""Kinds of model for images: convolutions, batch normalisation, pixels as targets."""

from tests.diagnosis.parts import Kind, Loss, Optimizer, Term, traits

CONV = Kind(
    "conv_batchnorm",
    """
def make_model():
    return keras.Sequential([
        keras.Input((8, 8, 2)),
        keras.layers.Conv2D(6, 3, use_bias=False),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.ReLU(),
        keras.layers.Conv2D(8, 3, strides=2, use_bias=False),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.ReLU(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, activation="softmax"),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(31)
    for rows in SIZES:
        kind = rng.integers(0, 3, rows)
        images = rng.normal(size=(rows, 8, 8, 2)) * (1 + 0.5 * kind)[:, None, None, None]
        yield images.astype("float32"), kind.astype("int32")
""",
    (24, 24, 24, 24, 14),
    (Term(Loss("SparseCategoricalCrossentropy")),),
    Optimizer("Adam", {"learning_rate": 3e-3}),
    traits("floats sequential batchnorm"),
    swaps=((1, 2), (4, 5)),
)
DEPTHWISE = Kind(
    "depthwise_conv",
    """
def make_model():
    picture = keras.Input((9, 9, 3))
    x = keras.layers.DepthwiseConv2D(3, depth_multiplier=2)(picture)
    x = keras.layers.BatchNormalization(momentum=0.8)(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.SeparableConv2D(8, 3, activation="relu")(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(picture, keras.layers.Dense(1)(x))
""",
    """
def batches():
    rng = np.random.default_rng(32)
    for rows in SIZES:
        x = rng.normal(size=(rows, 9, 9, 3)).astype("float32")
        yield x, (x[:, 4, 4, :1] > x[:, 4, 4, 1:2]).astype("float32")
""",
    (18, 18, 18, 18, 18, 7),
    (Term(Loss("BinaryCrossentropy", {"from_logits": True})),),
    Optimizer("RMSprop", {"learning_rate": 1e-3, "momentum": 0.6}),
    traits("floats batchnorm"),
    swaps=((1, 2),),
)
CONV_DROPOUT = Kind(
    "conv_dropout_batchnorm",
    """
def make_model():
    return keras.Sequential([
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(8, 3, padding="same"),
        keras.layers.BatchNormalization(momentum=0.85),
        keras.layers.Activation("relu"),
        keras.layers.SpatialDropout2D(0.2),
        keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
        keras.layers.GlobalMaxPooling2D(),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(4),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(33)
    for rows in SIZES:
        labels = rng.integers(0, 4, rows)
        x = rng.random((rows, 8, 8, 1)) + 0.3 * labels[:, None, None, None]
        yield x.astype("float32"), np.eye(4, dtype="float32")[labels]
""",
    (20, 20, 20, 20, 11),
    (Term(Loss("CategoricalCrossentropy", {"from_logits": True})),),
    Optimizer("Adam", {"learning_rate": 4e-3}),
    traits("floats sequential batchnorm dropout random"),
    swaps=((1, 2), (1, 3)),
)
SEGMENTATION = Kind(
    "segmentation_ignored_class",
    """
def make_model():
    x = keras.Input((10, 10, 3))
    down = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    up = keras.layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(down)
    return keras.Model(x, keras.layers.Conv2D(4, 1)(keras.layers.Concatenate()([x, up])))
""",
    """
def batches():
    rng = np.random.default_rng(34)
    for rows in SIZES:
        x = rng.random((rows, 10, 10, 3)).astype("float32")
        void = rng.random((rows, 10, 10)) < rng.uniform(0.1, 0.5, (rows, 1, 1))
        yield x, np.where(void, 3, x.argmax(-1)).astype("int32")
""",
    (8, 8, 8, 8, 8, 3),
    (Term(Loss("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 3})),),
    Optimizer("Adam", {"learning_rate": 6e-3}),
    traits("floats pixels ignored"),
    mask="tf.not_equal($y, 3)",
)
DENOISER = Kind(
    "image_denoiser",
    """
def make_model():
    return keras.Sequential([
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(6, 3, strides=2, padding="same", activation="relu"),
        keras.layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu"),
        keras.layers.Conv2D(1, 1, activation="sigmoid"),
    ])
""",
    """
def batches():
    rng = np.random.default_rng(35)
    for rows in SIZES:
        clean = rng.random((rows, 8, 1, 1)) * rng.random((rows, 1, 8, 1))
        noisy = clean + 0.1 * rng.normal(size=clean.shape)
        yield noisy.astype("float32"), clean.astype("float32")
""",
    (16, 16, 16, 16, 16, 16),
    (Term(Loss("MeanSquaredError")),),
    Optimizer("SGD", {"learning_rate": 0.2, "momentum": 0.7}),
    traits("floats pixels sequential"),
    swaps=((1, 3),),
)
KINDS = (CONV, DEPTHWISE, CONV_DROPOUT, SEGMENTATION, DENOISER)
