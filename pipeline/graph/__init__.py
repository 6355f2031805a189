"""The pipeline's graph."""
