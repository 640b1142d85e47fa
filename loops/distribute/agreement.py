"""Whether all workers may train together: data, versions, switches and settings are the same."""

from collections.abc import Mapping, Sequence
from typing import Any

from loops.distribute.cluster import ClusterError
from loops.distribute.workers import Workers


def refuse_differences(workers: Workers, facts: Mapping[str, Any]) -> None:
    """Compare the facts of all workers with the chief's.

    Raises:
        ClusterError: on every worker; it names the first that differs, and in what.
    """
    told: Sequence[Mapping[str, Any]] = workers.tell(dict(facts))
    chief = told[0]
    for rank, own in enumerate(told):
        odd = [
            f"{name} is {_word(own.get(name))} there and {_word(chief.get(name))} on {workers.name(0)}"
            for name in sorted({*own, *chief})
            if own.get(name) != chief.get(name)
        ]
        if odd:
            raise ClusterError(
                f"{workers.name(rank)} differs: {'; '.join(odd)}. Start all workers with the same "
                "command line, data, versions and variables. Nothing was trained or changed."
            )


def _word(value: Any) -> str:
    return "not set" if value is None else str(value)
