"""HDF5 files read fast, a table of arrays each."""
