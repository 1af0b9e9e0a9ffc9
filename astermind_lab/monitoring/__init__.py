"""Monitoring: recording predictions, windows over them, figures, drift, alerts."""
