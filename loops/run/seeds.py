"""What trainings over many seeds say: mean and spread, parity, F1 by class; as text, CSV and a plot."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loops.data import CLASS_NAMES
from loops.files import write_whole
from loops.parity.accuracy_margin import tost
from loops.run.comparison import class_f1
from loops.run.experiment import LOOPS

POST_ACCURACY = 0.8862  # the blog post's one run
MARGIN = 0.005  # of accuracy, fixed before any run: about one standard deviation over seeds
Result = Mapping[str, Any]


def summarise(results: Sequence[Result]) -> str:
    """Mean ± std of each loop over seeds, per-class F1, where the post falls, and parity."""
    lines = []
    for loop in LOOPS:
        own = [result for result in results if result["loop"] == loop]
        lines.append(f"{loop}, {len(own)} seeds")
        for key in ("test_accuracy", "f1_micro", "f1_macro"):
            values = np.array([result[key] for result in own])
            lines.append(f"  {key:<14} {_mean_std(values)}  (from {values.min():.4f} to {values.max():.4f})")
        accuracies = np.array([result["test_accuracy"] for result in own])
        above = int((accuracies >= POST_ACCURACY).sum())
        lines.append(
            f"  the post's {POST_ACCURACY:.2%}: {above} of {len(own)} seeds reach it, "
            f"{(POST_ACCURACY - accuracies.mean()) / accuracies.std(ddof=1):+.1f} standard deviations "
            "from the mean"
            if len(own) > 1 and accuracies.std() > 0
            else f"  the post's {POST_ACCURACY:.2%}: {above} of {len(own)} seeds reach it"
        )
    classes = np.array([class_f1(result["confusion"]) for result in results if result["loop"] == "fit"])
    lines.append("F1 by class (fit)")
    lines += [f"  {name:<12} {_mean_std(classes[:, index])}" for index, name in enumerate(CLASS_NAMES)]
    return "\n".join([*lines, *(parity_line(results, loop) for loop in LOOPS if loop != "fit")])


def parity_line(results: Sequence[Result], loop: str) -> str:
    """Of `loop` against fit(): how many seeds end bit-identical; where some do not, the equivalence test."""
    pairs = pair_by_seed(results, loop)
    identical = sum(fit["weights_sha256"] == other["weights_sha256"] for fit, other in pairs)
    if identical == len(pairs) or len(pairs) < 2:
        return f"{loop} against fit: {identical} of {len(pairs)} seeds bit-identical"
    fits, others = zip(*[[each["test_accuracy"] for each in pair] for pair in pairs], strict=True)
    test = tost(others, fits, MARGIN)
    word = "equivalent" if test.shown else "equivalence not shown"
    return (
        f"{loop} against fit: {identical} of {len(pairs)} seeds bit-identical; accuracy {loop} − fit "
        f"{test.difference:+.4f} [{test.low:+.4f}, {test.high:+.4f}] (90 %), {word} within ± {MARGIN}"
    )


def pair_by_seed(results: Sequence[Result], loop: str) -> list[tuple[Result, Result]]:
    """The results of fit() and of `loop` for each seed."""
    by_key = {(result["loop"], result["seed"]): result for result in results}
    seeds = sorted({result["seed"] for result in results})
    return [(by_key["fit", seed], by_key[loop, seed]) for seed in seeds]


def write_csv(results: Sequence[Result], path: Path) -> Path:
    """One line a run: seed, loop, scores, hash, F1 by class."""
    keys = (
        "seed",
        "loop",
        "test_accuracy",
        "test_loss",
        "f1_micro",
        "f1_macro",
        "weights_sha256",
    )
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*keys, *(f"f1 {name}" for name in CLASS_NAMES)])
    for result in results:
        scores = [f"{value:.4f}" for value in class_f1(result["confusion"])]
        writer.writerow([*(result[key] for key in keys), *scores])
    write_whole(path, text.getvalue().encode())
    return path


def draw(results: Sequence[Result], path: Path) -> Path:
    """Accuracy of each seed by each loop, their mean ± std, and the post's one run."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for loop, marker, size in (("fit", "o", 9), ("tape", "x", 6), ("fast", "+", 9)):
        own = [result for result in results if result["loop"] == loop]
        seeds, scores = zip(*[(result["seed"], 100 * result["test_accuracy"]) for result in own], strict=True)
        axes.plot(seeds, scores, marker, markersize=size, fillstyle="none", label=loop)
    accuracies = 100 * np.array([result["test_accuracy"] for result in results if result["loop"] == "fit"])
    mean, spread = accuracies.mean(), accuracies.std(ddof=min(1, len(accuracies) - 1))
    axes.axhspan(mean - spread, mean + spread, alpha=0.15, label=f"mean ± std: {mean:.2f} ± {spread:.2f} %")
    axes.axhline(
        100 * POST_ACCURACY, color="C3", linestyle="--", label=f"the post's one run: {POST_ACCURACY:.2%}"
    )
    axes.set(
        xlabel="seed",
        ylabel="test accuracy, %",
        title="Test accuracy over seeds, by loop",
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format="png")
    plt.close(figure)
    write_whole(path, picture.getvalue())
    return path


def _mean_std(values: np.ndarray) -> str:
    spread = f"{values.std(ddof=1):.4f}" if len(values) > 1 else "n/a"
    return f"{values.mean():.4f} ± {spread}"
