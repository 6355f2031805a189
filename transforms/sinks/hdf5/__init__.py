"""HDF5 as a format of shards."""
