"""What reading loads: each reader what it needs, in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


LOADED = "print(*sorted({'h5py', 'tensorflow', 'keras', 'numpy'} & {n for n, m in sys.modules.items() if m}))"


def test_the_package_itself_loads_nothing():
    assert run(f"import sys, pixelbeam.readers\n{LOADED}") == []


def test_a_dataset_is_opened_without_tensorflow_and_hdf5(all_kinds):
    code = (
        "import sys\n"
        "from pixelbeam.readers import dataset_info\n"
        "from pixelbeam.readers.published import open_dataset\n"
        f"published = open_dataset({str(all_kinds)!r})\n"
        "published.check_description()\n"
        "print(len(published.shard_files('train', 'tfrecord')))\n"
        f"print(dataset_info({str(all_kinds)!r}).rows)\n"
        f"{LOADED}"
    )
    assert run(code) == ["3", "30", "numpy"]


def test_tfrecords_are_loaded_where_there_is_no_h5py(all_kinds):
    code = (
        "import sys\n"
        "sys.modules['h5py'] = None\n"  # Keras, which TensorFlow imports, would load it
        "from pixelbeam.readers import input_fn, load\n"
        f"print(len(load({str(all_kinds)!r}, 'train', features=['raw', 'label'], batch_size=10)))\n"
        f"input_fn({str(all_kinds)!r}, 'train', features=['raw', 'label'])\n"
        "print(*(name for name in sys.modules if name.startswith('pixelbeam.readers.hdf5')))\n"
    )
    assert run(code) == ["3"]
