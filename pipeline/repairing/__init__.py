"""Making damaged files of a dataset again: which they are, building them, and why they may differ."""
