"""Tests of fast."""
