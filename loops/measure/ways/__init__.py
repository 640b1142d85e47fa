"""Ways to run a reader's step faster: each is code to paste into the case, graded and timed as pasted."""
