"""What is derived from a schema for other tools."""
