"""The file formats that records are written to and read back from."""
