"""Everything that turns images into trained weights: data, the two loops, evaluation, run folders, CLI."""
