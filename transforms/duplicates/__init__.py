"""Twins: images that a dataset has more than once, within a split and across splits."""
