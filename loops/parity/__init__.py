"""Do two trainings agree: their states, the differences, the words for it, and equivalence of scores."""
