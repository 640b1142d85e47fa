"""Trains a case in one way and prints its peak memory as JSON: what `peak` starts.

python -m loops.measure.peak_child CASE.py DEVICE   (the way as JSON on standard input)
"""

import json
import sys
from pathlib import Path
from typing import Any

from loops import device
from loops.measure.peak import FIT

STEPS = 4


def main() -> int:
    """Train STEPS steps with their input and print the peak."""
    path, device_kind = Path(sys.argv[1]), sys.argv[2]
    given = json.loads(sys.stdin.read())

    here = device.start(device_kind)
    from loops.measure.memory import PeakMemory, resident_bytes

    before, peak = resident_bytes(), PeakMemory(here)
    _train(path, given)
    found = peak.read()
    host = found["peak_host_bytes"]
    host = None if host is None or before is None else host - before
    print(json.dumps({"host_bytes": host, "device_bytes": found["peak_device_bytes"]}))
    return 0


def _train(path: Path, given: dict[str, Any] | str | None) -> None:
    from loops.measure.engine import fit_of
    from loops.measure.ways.facts import read_facts
    from loops.measure.ways.trying import Way, make_arm, multiple_of

    facts = read_facts(path)
    way = Way(**given) if isinstance(given, dict) else None
    if given == FIT:
        arm, multiple = fit_of(facts, with_input=True), facts.multiple
    else:
        arm, multiple = make_arm(facts, way, with_input=True), multiple_of(facts, way)
    arm.run(multiple * max(1, STEPS // multiple))
    arm.close()


if __name__ == "__main__":
    sys.exit(main())
