"""Taking over from another dataset what was encoded for it already."""
