"""The network and nothing else."""

from model.cnn import CLASSES, IMAGE_SHAPE, PARAM_COUNT, FashionCNN, new_model

__all__ = ["CLASSES", "IMAGE_SHAPE", "PARAM_COUNT", "FashionCNN", "new_model"]
