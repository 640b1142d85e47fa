"""Tests of the timing of a reader's own model."""
