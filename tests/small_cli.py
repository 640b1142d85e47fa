"""The real command line on 250 training and 70 test images: what the fault tests start, signal and kill."""

import sys
from pathlib import Path

from loops import cli, data
from loops.data import EMBEDDED, FashionMnist

load = data.load


def load_small(folder: Path = EMBEDDED) -> FashionMnist:
    whole = load(folder)
    return FashionMnist(whole.train.first(250), whole.test.first(70))


if __name__ == "__main__":
    data.load = load_small
    sys.exit(cli.main())
