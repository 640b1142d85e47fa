"""Which pooling windows of the second stage are computed, and which are copies of one that is.

A window is *blank* if all places under it are. All blank windows of a part have the same features, but for
where the border of zeros lies under them: so of each kind one is computed, for all of them.
"""

from typing import Any

from loops.fast.compiled.kernels import kernel
from loops.fast.compiled.layout import KINDS, ROWS, SIDE, WINDOW_SIDE, WINDOWS


@kernel
def list_windows(images: int, own: Any) -> Any:
    """Fill own.live, own.copies and own.originals with windows, image · WINDOWS + window; returns two counts.

    own.live is image by image, those of image n before own.stops[n], and filled up to whole tiles.
    """
    count = copies = 0
    for kind in range(KINDS):
        own.first_blank[kind] = -1
    for n in range(images):
        blank = own.blank + n * (SIDE + 1)
        for i in range(WINDOW_SIDE):
            line = blank[2 * i] & blank[2 * i + 1] & blank[2 * i + 2]
            for j in range(WINDOW_SIDE):
                index = n * WINDOWS + i * WINDOW_SIDE + j
                kind = 2 * (i == WINDOW_SIDE - 1) + (j == WINDOW_SIDE - 1)
                if line >> 2 * j & 7 == 7:
                    if own.first_blank[kind] >= 0:
                        own.copies[copies], own.originals[copies] = index, own.first_blank[kind]
                        copies += 1
                        continue
                    own.first_blank[kind] = index
                own.live[count] = index
                count += 1
        own.stops[n] = count
    for place in range(count, -(-count // ROWS) * ROWS):
        own.live[place] = own.live[count - 1]
    return count, copies
