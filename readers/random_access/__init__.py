"""Single records by their number."""
