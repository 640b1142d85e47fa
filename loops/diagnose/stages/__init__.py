"""The stages of a step, in the order in which a difference in one reaches the next.

Each module looks at one stage of the user's step at the first step that differs. It yields the mistakes that
explain what it sees there: NO_MISTAKE alone where nothing differs, none where nothing known explains it.
"""
