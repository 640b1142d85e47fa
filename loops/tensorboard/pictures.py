"""Pictures of a trained model: confusion matrix, its surest mistakes, its first filters; as RGB arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from loops.data import CLASS_NAMES, Split

Picture = npt.NDArray[np.uint8]  # (height, width, 3)
MISTAKES = 24
PICTURES_A_ROW = 8


def confusion_picture(confusion: npt.NDArray[np.int64]) -> Picture:
    """Counts and per cent of each true class, (10, 10): rows true, columns guessed."""
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(7, 6.5), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        if confusion[row, column]:
            text = f"{confusion[row, column]}\n{share:.0%}"
            color = "white" if share > 0.5 else "black"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=10)
    places = range(len(CLASS_NAMES))
    axes.set_xticks(places, CLASS_NAMES, rotation=45, ha="right", fontsize=11)
    axes.set_yticks(places, CLASS_NAMES, fontsize=11)
    axes.set(xlabel="guessed", ylabel="true", title="Test images: count, and per cent of the true class")
    return _rendered(figure)


def mistakes_picture(split: Split, probabilities: npt.NDArray[np.float32]) -> Picture:
    """The wrongly guessed images of which the model was surest; probabilities (n, 10)."""
    guesses = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(guesses != split.labels)
    surest = wrong[np.argsort(-probabilities[wrong, guesses[wrong]], kind="stable")][:MISTAKES]
    figure = Figure(figsize=(12, 6), dpi=90, layout="constrained")
    for place, index in enumerate(surest, start=1):
        axes = figure.add_subplot(MISTAKES // PICTURES_A_ROW, PICTURES_A_ROW, place)
        axes.imshow(split.images[index, :, :, 0], cmap="gray_r")
        guess = guesses[index]
        truth, sureness = CLASS_NAMES[split.labels[index]], probabilities[index, guess]
        axes.set_title(f"is {truth}\nguess {CLASS_NAMES[guess]} {sureness:.1%}", fontsize=8)
        axes.axis("off")
    return _rendered(figure)


def filters_picture(kernel: npt.NDArray[np.float32]) -> Picture:
    """The first layer's filters, kernel (2, 2, 1, filters); red is positive, blue negative."""
    count, limit = kernel.shape[-1], float(np.abs(kernel).max())
    figure = Figure(figsize=(8, 4.4), dpi=90, layout="constrained")
    figure.suptitle(f"Filters of the first layer, from {-limit:.2f} (blue) to {limit:.2f} (red)", fontsize=10)
    for index in range(count):
        axes = figure.add_subplot(-(-count // PICTURES_A_ROW), PICTURES_A_ROW, index + 1)
        axes.imshow(kernel[:, :, 0, index], cmap="coolwarm", vmin=-limit, vmax=limit)
        axes.axis("off")
    return _rendered(figure)


def _rendered(figure: Any) -> Picture:
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[:, :, :3])
