"""Rows to shards, and shards to files."""
