"""Drift: one detector per file, each comparing the tallies of two windows."""
