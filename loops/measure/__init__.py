"""How fast a step is against fit()'s: the clock, what is timed, pairs, and the ratio with its interval."""
