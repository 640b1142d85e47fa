"""The code that lets several workers share the batches of a case, in the case's own names."""

from loops.measure.ways.code import Names

STRATEGY = "strategy = tf.distribute.MultiWorkerMirroredStrategy()"  # before TensorFlow computes anything
_SHARED = '''\
whole_step = {plain}
SHARDS, WORKERS = {shards}, strategy.num_replicas_in_sync
worker = int(strategy.run(lambda: tf.distribute.get_replica_context().replica_id_in_sync_group))
own_shards = range(worker * SHARDS // WORKERS, (worker + 1) * SHARDS // WORKERS)


def of_all_workers(rows):
    """The rows of all workers in the order of their last column: TensorFlow has worker 10 before 2."""
    rows = tf.distribute.get_replica_context().all_gather(tf.identity(rows), axis=0)
    return tf.gather(rows, tf.argsort(rows[:, -1], stable=True))


{helper}@tf.function
def {step}({arguments}*batch):
    """One update by the gradients of SHARDS parts of the batch, of which each worker computes its own."""
    rows, given, logs, sent, shares = tf.shape(tf.nest.flatten(batch)[0])[0], [], [], [], []
    {optimizer}.apply = lambda *update: given.append(update)  # keeps what a part would update by
    for shard in own_shards:
        start, stop = shard * rows // SHARDS, (shard + 1) * rows // SHARDS
        part = tf.nest.map_structure(lambda each: each[start:stop], batch)
        logs.append(whole_step({arguments}*part))
        shares.append(tf.cast(stop - start, tf.float32) / tf.cast(rows, tf.float32))
        flat = [tf.reshape(each, [-1]) for each in given[-1][0]{dense}]
        sent.append(tf.concat([tf.concat(flat, 0) * shares[-1], [float(shard)]], 0))
    del {optimizer}.apply
    everyone, like = strategy.run(of_all_workers, (tf.stack(sent),)), [each for each in given[0][0]{dense}]
    total = tf.reduce_sum(tf.ensure_shape(everyone, [SHARDS, *sent[0].shape]), 0)[:-1]
    parts = iter(tf.split(total, [tf.size(each) for each in like], num=len(like)))
    gradients = [{gradient} for index, each in enumerate(given[0][0])]
    {optimizer}.apply(gradients, *given[0][1:])
    # the mean of this worker's parts; the other workers' are in their own reports
    return None if logs[0] is None else tf.nest.map_structure(lambda *each: tf.add_n(each) / len(each), *logs)


def check_same_start(model):
    """Call it once before the first step: all workers must have made the same weights."""
    numbers = tf.concat([tf.reshape(tf.cast(each, tf.float32), [-1]) for each in model.variables], 0)
    rows = strategy.run(of_all_workers, (tf.concat([numbers, [float(worker)]], 0)[tf.newaxis],))
    if not bool(tf.reduce_all(rows[:, :-1] == rows[:1, :-1])):
        raise ValueError("the workers start from other weights: call keras.utils.set_random_seed() in each")
'''


_ROWS = '''\
def rows_of_all_workers(slices, shares):
    """The rows of an Embedding's gradients on all workers, in the order of the shards; they stay rows."""
    sent = []
    for shard, share, each in zip(own_shards, shares, slices):
        number = tf.cast(each.indices, tf.float32)[:, tf.newaxis]
        sent.append(tf.concat([each.values * share, number, tf.fill(tf.shape(number), float(shard))], 1))
    rows = strategy.run(of_all_workers, (tf.concat(sent, 0),))
    return tf.IndexedSlices(rows[:, :-2], tf.cast(rows[:, -2], tf.int32), slices[0].dense_shape)


'''
_SPARSE = (
    "rows_of_all_workers([part[0][index] for part in given], shares) if isinstance(each, tf.IndexedSlices) "
    "else tf.reshape(next(parts), tf.shape(each))"
)


def shared(names: Names, shards: int) -> str:
    """The step on `shards` parts of a batch, shared by all workers of `strategy`, to the same bits.

    Each part's gradients are gathered and added in one order; the loss must be a mean over the rows.
    """
    return names.with_import(
        _SHARED.format(
            plain=names.plain,
            step=names.step,
            arguments=names.arguments,
            optimizer=names.optimizer or "optimizer",
            shards=shards,
            helper=_ROWS if names.sparse else "",
            dense=" if not isinstance(each, tf.IndexedSlices)" if names.sparse else "",
            gradient=_SPARSE if names.sparse else "tf.reshape(next(parts), tf.shape(each))",
        )
    )


def gathering(names: Names, shards: int, numbers: int) -> str:
    """A step that only sends what `shared` sends of `numbers` gradients, and adds it."""
    return names.with_import(
        f"WORKERS = strategy.num_replicas_in_sync\n"
        f"nothing = tf.zeros([{shards} // WORKERS, {numbers + 1}])\n\n\n"
        "def of_all_workers(rows):\n"
        "    return tf.distribute.get_replica_context().all_gather(tf.identity(rows), axis=0)\n\n\n"
        "@tf.function\n"
        f"def {names.step}({names.arguments}*batch):\n"
        "    everyone = strategy.run(of_all_workers, (nothing,))\n"
        f"    return tf.reduce_sum(tf.ensure_shape(everyone, [{shards}, {numbers + 1}]))\n"
    )
