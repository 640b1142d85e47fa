"""Everything that decides the weights of a run, as one frozen object."""

from dataclasses import dataclass

REDUCTIONS = ("ordered", "fast")  # how the gradients of workers are added
MOST_SHARDS = 1024
SHARDS = 8  # where there are several workers
THREADS_AN_OP = 1  # with shards: they run side by side, and a sum's order depends on the number of threads
RUNGS = ("graph", "fused-adam", "pool-first", "parts", "compiled")  # of the fast loop, in its order


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of one training; the defaults are those of the blog post.

    `learning_rate` and `adam_epsilon` are Adam's (Keras's default epsilon is 1e-7; the other
    constants stay at Keras's defaults). `seed` decides initial weights and batch order.
    `jit_compile` is explicit, never "auto": auto means XLA for fit() on a GPU and nothing for
    a bare tf.function, and then the two loops would run different programs. `rung` names a rung of
    the fast loop, which alone reads it; None is the rung that was best for the device where it was measured.
    The tape computes a batch in `shards` parts, which any number of workers that divides it can share;
    `reduce` says how their gradients are added: "ordered" gives the same bits for every number of workers.
    """

    epochs: int = 3
    batch_size: int = 300
    learning_rate: float = 1e-3
    adam_epsilon: float = 1e-7
    seed: int = 0
    jit_compile: bool = False
    rung: str | None = None
    shards: int = 1
    reduce: str = "ordered"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "seed", "shards"):
            if not isinstance(getattr(self, name), int):
                raise ValueError(f"{name} must be a whole number")
        for name in ("learning_rate", "adam_epsilon"):
            if not isinstance(getattr(self, name), int | float):
                raise ValueError(f"{name} must be a number")
        if self.rung is not None and self.rung not in RUNGS:
            raise ValueError(f"rung must be one of {', '.join(RUNGS)}")
        if self.reduce not in REDUCTIONS:
            raise ValueError(f"reduce must be one of {', '.join(REDUCTIONS)}")
        if not 1 <= self.shards <= MOST_SHARDS:
            raise ValueError(f"shards must be in 1 … {MOST_SHARDS}")
        if min(self.epochs, self.batch_size) < 1:
            raise ValueError("epochs and batch_size must be at least 1")
        if not 0 <= self.seed < 2**32:
            raise ValueError("seed must be in 0 … 2**32 - 1")

    def steps_per_epoch(self, images: int) -> int:
        """Batches in one pass over `images`, the partial last one included."""
        return -(-images // self.batch_size)
