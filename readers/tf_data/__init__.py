"""Batches of a dataset as ``tf.data``."""
