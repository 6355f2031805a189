"""Manifest rows in, shards out: Beam transforms and the plain functions that they wire."""
