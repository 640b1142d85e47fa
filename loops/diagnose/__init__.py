"""Why two trainings part: from a case to a verdict with its evidence and the mended code."""
