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
FILTER_PIXELS = 8  # of a sheet, a side of one weight


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
    gaps, side = (18, 12), split.images.shape[1]
    sheet = _sheet(split.images[surest, :, :, 0].astype(np.float32), MISTAKES // PICTURES_A_ROW, gaps)
    figure = Figure(figsize=(12, 5.2), dpi=90)
    axes = figure.add_axes((0.01, 0.0, 0.98, 0.99))
    axes.imshow(np.ma.masked_invalid(sheet), cmap="gray_r")
    axes.axis("off")
    for place, index in enumerate(surest):
        row, column = divmod(place, PICTURES_A_ROW)
        guess = guesses[index]
        truth, sureness = CLASS_NAMES[split.labels[index]], probabilities[index, guess]
        x, y = column * (side + gaps[1]) + (side + gaps[1]) / 2, row * (side + gaps[0]) + gaps[0] - 2
        text = f"is {truth}\nguess {CLASS_NAMES[guess]} {sureness:.1%}"
        axes.text(x, y, text, ha="center", va="bottom", fontsize=8)
    return _rendered(figure)


def filters_picture(kernel: npt.NDArray[np.float32]) -> Picture:
    """The first layer's filters, kernel (2, 2, 1, filters); red is positive, blue negative."""
    count, limit = kernel.shape[-1], float(np.abs(kernel).max())
    figure = Figure(figsize=(8, 3.7), dpi=90)
    figure.suptitle(f"Filters of the first layer, from {-limit:.2f} (blue) to {limit:.2f} (red)", fontsize=10)
    large = kernel[:, :, 0].transpose(2, 0, 1).repeat(FILTER_PIXELS, 1).repeat(FILTER_PIXELS, 2)
    sheet = _sheet(large, -(-count // PICTURES_A_ROW), (FILTER_PIXELS // 4, FILTER_PIXELS))
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.9))
    axes.imshow(np.ma.masked_invalid(sheet), cmap="coolwarm", vmin=-limit, vmax=limit, interpolation="none")
    axes.axis("off")
    return _rendered(figure)


def _sheet(pictures: npt.NDArray[np.float32], rows: int, gaps: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Pictures (n, height, width) in rows on one sheet, NaN between: a gap above, half of one at each side.

    One picture costs Matplotlib a tenth of what its axes for each of them do.
    """
    count, height, width = pictures.shape
    sheet = np.full((rows * PICTURES_A_ROW, height + gaps[0], width + gaps[1]), np.nan, np.float32)
    left = gaps[1] // 2
    sheet[:count, gaps[0] :, left : left + width] = pictures
    rowwise = sheet.reshape(rows, PICTURES_A_ROW, height + gaps[0], width + gaps[1])
    return rowwise.transpose(0, 2, 1, 3).reshape(rows * (height + gaps[0]), -1)


def _rendered(figure: Any) -> Picture:
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[:, :, :3])
