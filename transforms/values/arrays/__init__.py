"""Arrays in files as the source of values: HDF5, MATLAB v7.3, .npy and .npz."""
