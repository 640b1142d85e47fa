"""Old public questions on fit() against a loop, measured anew: `python -m bench.claims` fills the page."""
