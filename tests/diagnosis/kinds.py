"""All kinds of model, by name."""

from tests.diagnosis import kinds_dense, kinds_images, kinds_outputs, kinds_sequences, kinds_training
from tests.diagnosis.parts import Kind

KINDS: tuple[Kind, ...] = (
    *kinds_dense.KINDS,
    *kinds_images.KINDS,
    *kinds_sequences.KINDS,
    *kinds_outputs.KINDS,
    *kinds_training.KINDS,
)
BY_NAME = {kind.name: kind for kind in KINDS}
