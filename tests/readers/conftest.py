from __future__ import annotations

import pytest
from hdf5_datasets import build_all_kinds


@pytest.fixture(scope="session")
def all_kinds(tmp_path_factory):
    """A published dataset with TFRecord and HDF5 files; not to be changed."""
    return build_all_kinds(tmp_path_factory.mktemp("all_kinds"))
