"""Replays the threads and writes their figures.

python -m bench.claims [--only WORD] [--device cpu|gpu] [--dry]
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.claims.finding import Finding
    from bench.claims.threads import Thread
    from loops.device import Device

RESULTS = Path(__file__).parents[1] / "results" / "claims"


def main(arguments: list[str] | None = None) -> int:
    """Measure, save as JSON under bench/results/claims, and write docs/claims.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.claims")
    parser.add_argument("--only", metavar="WORD", default="", help="threads whose name holds this")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--dry", action="store_true", help="print the findings and write nothing")
    options = parser.parse_args(arguments)

    from loops import device

    try:
        here = device.start(options.device)
    except device.DeviceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # arms are made anew, each with a trace, which TensorFlow warns about
    from bench.claims.threads import THREADS

    chosen = [thread for thread in THREADS if options.only in thread.name]
    if not chosen:
        print(f"error: --only {options.only}: no thread's name holds this", file=sys.stderr)
        return 1
    for thread in chosen:
        print(f"{thread.name} …", flush=True)
        found = _replayed(thread)
        print("\n".join(f"  {line}" for line in (*found["measured"], found["verdict"])), flush=True)
        if not options.dry:
            _write(found, here)
    return 0


def _replayed(thread: "Thread") -> dict[str, Any]:
    findings = thread.measure()
    return {
        "name": thread.name,
        "address": thread.address,
        "year": thread.year,
        "reported": thread.reported,
        "measured": [finding.text() for finding in findings],
        "findings": [asdict(finding) for finding in findings],
        "verdict": _verdict(thread, findings),
    }


def _verdict(thread: "Thread", findings: "Sequence[Finding]") -> str:
    from bench.claims.finding import verdict_on

    ratio = findings[0].ratio
    if thread.verdict or ratio is None or thread.factor is None:
        return thread.verdict
    found = verdict_on(ratio, thread.factor)
    return f"needs {thread.hardware}; on this machine {found}" if thread.hardware else found


def _write(found: dict[str, Any], here: "Device") -> None:
    """Save what was found, beside what the machine's file holds of other threads, and write the page."""
    from bench.claims.page import write_page
    from loops.run.environment import describe

    facts = describe(here, jit_compile=False)
    onednn = "on" if facts["onednn"] else "off"
    machine = (
        f"{here.name}, {facts['cores']} cores, TensorFlow {facts['tensorflow']}, Keras {facts['keras']}, "
        f"oneDNN {onednn}"
    )
    RESULTS.mkdir(parents=True, exist_ok=True)
    words = re.findall("[a-z0-9]+", f"{here.name} {facts['cores']} cores".lower())
    path = RESULTS / f"{'-'.join(words)}.json"
    known = json.loads(path.read_text(encoding="utf-8"))["threads"] if path.exists() else []
    from bench.claims.threads import THREADS

    by_name = {each["name"]: each for each in (*known, found)}
    kept = [by_name[thread.name] for thread in THREADS if thread.name in by_name]
    content = {"machine": machine, "threads": kept}
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    write_page([json.loads(each.read_text(encoding="utf-8")) for each in sorted(RESULTS.glob("*.json"))])


if __name__ == "__main__":
    sys.exit(main())
