"""The real command line on 250 training and 70 test images: what the fault tests start, signal and kill."""

import os
from pathlib import Path
from typing import Any

from loops import cli, data
from loops.data import EMBEDDED, FashionMnist
from loops.distribute import launch
from loops.run import environment

load, describe = data.load, environment.describe


def load_small(folder: Path = EMBEDDED) -> FashionMnist:
    whole = load(folder)
    images = int(os.environ.get("PRETENDED_IMAGES", "250"))
    return FashionMnist(whole.train.first(images), whole.test.first(70))


def describe_as_pretended(*arguments: Any, **more: Any) -> dict[str, Any]:
    return describe(*arguments, **more) | {"keras": os.environ["PRETENDED_KERAS"]}


if __name__ == "__main__":
    data.load = load_small
    launch.MODULE = "tests.small_cli"
    if "PRETENDED_KERAS" in os.environ:
        environment.describe = describe_as_pretended
    cli.entry()
