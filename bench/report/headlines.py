"""The README's figures: three questions, each answered in a sentence by what the rows hold."""

from collections.abc import Iterable, Sequence

from bench.report.columns import verdict_among
from bench.report.devices import cpu_over_gpu, on_both
from bench.report.rows import Row, fastest_rungs, of_kind, place, ratio_of
from bench.report.saved import Saved, all_rows
from bench.sweep import BATCH_SIZE, TAPE
from loops.measure.ratios import Ratio

NOT_MEASURED = "Not measured."
NO_GPU = "Not measured yet: no GPU was available."
NO_PAIR = "Not measured yet: the tape's step was not timed on both a CPU and a GPU."


def headlines(files: Sequence[Saved]) -> str:
    """A bullet for each question, then the machines."""
    rows = all_rows(files)
    lines = [
        f"- **Does it compute the same?** {same_result(rows)}",
        f"- **Is it faster?** {faster(rows)}",
        f"- **What does a GPU buy?** {gpu_gain(rows)}",
    ]
    machines = "; ".join(file.machine() for file in files)
    return "\n".join(lines) + f"\n\nMeasured on {machines}.\n"


def same_result(rows: Sequence[Row]) -> str:
    """How fit() and the tape end, on a CPU if one was measured."""
    for parity in _cpu_first(of_kind(rows, "parity")):
        trainings = {row["loop"]: row for row in of_kind(rows, "training") if place(row) == place(parity)}
        if trainings.keys() >= {"fit", "tape"}:
            ends = _ends(parity["verdict"], trainings["fit"], trainings["tape"])
            return f"{_on_gpu(parity)}`fit()` and the hand-written loop end {ends}."
    return NOT_MEASURED


def _ends(verdict: str, fit: Row, tape: Row) -> str:
    """How far apart, after how many epochs, and the scores of both, or one score where they are equal."""
    said = verdict if verdict == "bit-identical" else f"with {verdict}"
    epochs = fit["config"]["epochs"]
    accuracy = _once(f"{row['test_accuracy']:.2%}" for row in (fit, tape))
    f1 = _once(f"{row['f1_micro']:.4f}" for row in (fit, tape))
    return f"{said} after {epochs} epoch{'s' * (epochs != 1)}: test accuracy {accuracy}, micro-F1 {f1}"


def faster(rows: Sequence[Row]) -> str:
    """The tape's ratio to fit() on one device, a CPU if one was measured, and the fast loop's on all."""
    word = verdict_among(rows)
    for step in _cpu_first(_plain_steps(rows)):
        ratio = ratio_of(step)
        text = (
            f"{_on_gpu(step)}At batch size {BATCH_SIZE} a step of the tape takes {_times_as_long(ratio)} "
            f"as a step of `fit()` ({_interval(ratio)}, {word(step)})"
        )
        fast = _fast_steps(rows, step["device"])
        named = len(fast) > 1 or any(place(row) != place(step) for row in fast)
        if fast:
            ratios = [
                f"{_times_as_long(ratio_of(row))}{_on(row, fast) if named else ''} "
                f"({_interval(ratio_of(row))}, {word(row)})"
                for row in fast
            ]
            text += f"; a step of `tape --fast` takes {', '.join(ratios)}"
        return f"{text}."
    return NOT_MEASURED


def _fast_steps(rows: Sequence[Row], kind: str) -> list[Row]:
    """The fast loop's step at the headline's batch size on each device of this kind, the fastest first."""
    own = [row for row in fastest_rungs(rows) if (row["batch_size"], row["device"]) == (BATCH_SIZE, kind)]
    return sorted(own, key=lambda row: float(row["ratio"]))


def gpu_gain(rows: Sequence[Row]) -> str:
    """The plain tape's step on a CPU over that on a GPU, a sentence for each GPU."""
    pairs = sorted(on_both(_plain_steps(rows)), key=_apart, reverse=True)
    best = {
        place(pair["gpu"]): pair for pair in pairs
    }  # the last one: of the CPU beside the GPU, if measured
    if not best:
        return NO_PAIR if any(row["device"] == "gpu" for row in rows) else NO_GPU
    return " ".join(_gain(pair["cpu"], pair["gpu"]) for pair in best.values())


def _gain(cpu: Row, gpu: Row) -> str:
    ratio = cpu_over_gpu(cpu, gpu)
    return (
        f"At batch size {BATCH_SIZE} a step of the tape takes {_times_as_long(ratio)} on the CPU "
        f"({cpu['device_name']}) as on the GPU ({gpu['device_name']}), {_interval(ratio)}."
    )


def _apart(pair: dict[str, Row]) -> bool:
    """Whether the CPU is of another machine: a file's name is the CPU's, its cores' and then the GPU's."""
    return not place(pair["gpu"])[0].startswith(place(pair["cpu"])[0])


def _plain_steps(rows: Sequence[Row]) -> list[Row]:
    """The plain tape's steps at the headline's batch size."""
    steps = of_kind(rows, "step")
    return [row for row in steps if (row["arm"], row["batch_size"]) == (TAPE.name, BATCH_SIZE)]


def _cpu_first(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: bool(row["device"] != "cpu"))


def _on(row: Row, others: Sequence[Row]) -> str:
    """Names the processor, and the machine too where several have it."""
    alike = sum(other["device_name"] == row["device_name"] for other in others) > 1
    machine = f" ({row['machine']})" if alike else ""
    return f" on {row['device_name']}{machine}"


def _on_gpu(row: Row) -> str:
    return "" if row["device"] == "cpu" else f"On {row['device_name']}: "


def _times_as_long(ratio: Ratio) -> str:
    return f"{ratio.median:.3f} times as long"


def _interval(ratio: Ratio) -> str:
    return f"95 % interval {ratio.low:.3f} to {ratio.high:.3f}"


def _once(texts: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(texts))
