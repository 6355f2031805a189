"""Packaging: the folders of the repository live under one import name, ``pixelbeam``.

``package_dir`` maps them, so that a user's own ``schemas`` or ``transforms`` never collides
with ours. The folder ``pixelbeam`` holds that name's own module alone.
"""

from pathlib import Path

from setuptools import find_packages, setup

FOLDERS = ("schemas", "transforms", "pipeline", "readers")

# A worker needs these and nothing else: no TensorFlow.
WORKER = [
    "apache-beam>=2.66",
    "google-crc32c>=1.6",
    "grpcio>=1.60",
    "h5py>=3.10",
    "numpy>=1.26",
    "pillow>=11.3",
    "protobuf>=4.25",
    "pyarrow>=16.0",
    "pydantic>=2.10",
    "pyyaml>=6.0.1",
    "rich>=13.7",
    "simplejpeg>=1.9",
    "typing-extensions>=4.12",
]
TRAIN = ["tensorflow>=2.20"]
HDF5 = ["hdf5plugin>=4.4"]  # the storages zstd and blosc2
S3 = ["boto3>=1.34"]
# Tests too compare masks, boxes and run lengths with pycocotools.
EXAMPLES = ["pycocotools>=2.0.8", "scikit-learn>=1.4"]
MUTATION = ["cosmic-ray>=8.3"]  # scripts/mutation.py
DEV = [
    *HDF5,
    *MUTATION,
    *S3,
    "duckdb>=1.1",
    "hypothesis>=6.100",
    "mypy>=1.13",
    "pre-commit>=3.7",
    "pytest>=8.2",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "ruff>=0.9",
    "setuptools>=70.1",
    "types-PyYAML>=6.0.12",
]

setup(
    name="pixelbeam",
    version="0.1.0",
    description="Turn images and labels into training-ready datasets with Apache Beam.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=["pixelbeam"]
    + [
        f"pixelbeam.{name}"
        for name in find_packages(include=[p for f in FOLDERS for p in (f, f"{f}.*")])
    ],
    package_dir={f"pixelbeam.{folder}": folder for folder in FOLDERS},
    package_data={
        "": ["py.typed"],
        "pixelbeam.schemas": ["presets/*.yaml"],
    },
    install_requires=WORKER,
    extras_require={
        "s3": S3,
        "train": TRAIN,
        "hdf5": HDF5,
        "examples": EXAMPLES + TRAIN,
        "mutation": MUTATION,
        "dev": DEV + EXAMPLES + TRAIN,
    },
    entry_points={"console_scripts": ["pixelbeam = pixelbeam.pipeline.main:main"]},
    classifiers=[
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Typing :: Typed",
    ],
)
