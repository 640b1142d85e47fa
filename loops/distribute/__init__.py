"""Do several workers end at the weights of one: the cluster, a batch's shards, the loop, who is lost."""
