"""Real engines, a cluster for all tests of a session; without them the tests are skipped."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import (
    FlinkCluster,
    Processes,
    engines_folder,
    free_ports,
    listens,
    missing,
    start_worker_pool,
)
from support import contents, make_image, write_csv

_PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos"
_SCHEMA = """
features:
  image: {type: image, source: path, height: 72, width: 96, upscale: true}
  label: {type: class_label, source: label, vocabulary: from_manifest}
"""


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engines)
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(600))


def need(*names: str) -> None:
    """Skips where an engine is not installed; where ``PIXELBEAM_ENGINES`` is set, it has to be."""
    lacking = missing(*names)
    if lacking and "PIXELBEAM_ENGINES" in os.environ:
        pytest.fail(lacking)
    if lacking:
        pytest.skip(lacking)


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """A folder with ``photos.csv``, columns path and label: 100 photographs, or else 100 made images."""
    folder = tmp_path_factory.mktemp("photos")
    if _PHOTOS.is_dir():
        with (_PHOTOS / "photos.csv").open(newline="") as file:
            rows = [(_PHOTOS / row["path"], row["label"]) for row in csv.DictReader(file)]
        for path, _ in rows:
            shutil.copyfile(path, folder / path.name)
        rows = [(path.name, label) for path, label in rows]
    else:
        rows = [(f"{number:02d}.jpg", f"class {number % 7}") for number in range(100)]
        for number, (name, _) in enumerate(rows):
            make_image(folder / name, number)
    write_csv(folder / "photos.csv", rows)
    (folder / "schema.yaml").write_text(_SCHEMA)
    return folder


@pytest.fixture(scope="session")
def many_photos(photos) -> Path:
    """The photographs thirty times over: a build of some seconds."""
    with (photos / "photos.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return write_csv(photos / "many.csv", rows * 30)


class Command:
    """A command of ``pixelbeam`` in a process of its own."""

    def __init__(self, output: str | Path, *arguments: str):
        self.output = output
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pixelbeam.pipeline.main", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )

    def succeed(self) -> str:
        """Waits for it and expects it to have done what it was told; returns what it said."""
        said, _ = self._process.communicate()
        assert self._process.returncode == 0, said
        return str(said)

    def runs(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends it, and the job server that it started, with SIGKILL."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def stop(self, number: int) -> int:
        """Signals it, as a supervisor does; returns its exit code."""
        self._process.send_signal(number)
        self._process.communicate()
        return self._process.returncode


def build_arguments(
    manifest: str | Path, output: str | Path, schema: Path, *options: str
) -> list[str]:
    """Those of a build of two splits."""
    named = ["--manifest", str(manifest), "--output", str(output), "--schema", str(schema)]
    return ["build", *named, "--splits", "train=0.8,val=0.2", *options]


@pytest.fixture
def start_command() -> Iterator[object]:
    """Starts commands, each of which ends with the test."""
    commands: list[Command] = []

    def start(output, *arguments) -> Command:
        commands.append(Command(output, *arguments))
        return commands[-1]

    yield start
    for command in commands:
        if command.runs():
            command.kill()


@pytest.fixture
def start_build(photos, start_command) -> object:
    def start(output, *options, manifest=None) -> Command:
        manifest, schema = manifest or photos / "photos.csv", photos / "schema.yaml"
        return start_command(output, *build_arguments(manifest, output, schema, *options))

    return start


@pytest.fixture(scope="session")
def local_photos(photos, tmp_path_factory) -> dict[str, bytes]:
    """What the local runner makes of the photographs, two shards a split."""
    output = tmp_path_factory.mktemp("local") / "out"
    arguments = (photos / "photos.csv", output, photos / "schema.yaml", "--num_shards=2")
    Command(output, *build_arguments(*arguments)).succeed()
    return contents(output)


@pytest.fixture(scope="session")
def local_many_photos(photos, many_photos, tmp_path_factory) -> dict[str, bytes]:
    """What the local runner makes of the many photographs, twelve shards a split."""
    output = tmp_path_factory.mktemp("local") / "many"
    arguments = (many_photos, output, photos / "schema.yaml", "--num_shards=12")
    Command(output, *build_arguments(*arguments)).succeed()
    return contents(output)


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[dict[str, str]]:
    """What leads to an S3 server, in the environment of all that is started from here on."""
    [port] = free_ports(1)
    environment = {
        "AWS_ACCESS_KEY_ID": "pixelbeam",
        "AWS_SECRET_ACCESS_KEY": "only on loopback",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield environment


@pytest.fixture(scope="session")
def installed_flink() -> None:
    """What a cluster consists of is there."""
    need("flink", "flink-job-server.jar", "workers")


@pytest.fixture(scope="session")
def flink(installed_flink, s3_environment, tmp_path_factory) -> Iterator[FlinkCluster]:
    """A JobManager, two TaskManagers of one slot, and two worker pools, each a process."""
    with Processes(tmp_path_factory.mktemp("flink")) as processes:
        yield FlinkCluster(processes, task_managers=2, slots=1)


@pytest.fixture(scope="session")
def bucket(s3_environment, photos, tmp_path_factory) -> Iterator[Path]:
    """The folder in which an S3 server keeps ``s3://data``.

    The photographs with their manifest are in ``s3://data/photos``.
    """
    need("versitygw")
    boto3 = pytest.importorskip("boto3", reason="no boto3: pip install 'pixelbeam[s3]'")
    root = tmp_path_factory.mktemp("s3")
    address = s3_environment["AWS_ENDPOINT_URL"].removeprefix("http://")
    server = [engines_folder() / "versitygw", "--port", address, "posix", root]
    keys = {
        "ROOT_ACCESS_KEY": s3_environment["AWS_ACCESS_KEY_ID"],
        "ROOT_SECRET_KEY": s3_environment["AWS_SECRET_ACCESS_KEY"],
    }
    with Processes(tmp_path_factory.mktemp("s3-logs")) as processes:
        processes.start("versitygw", server, **keys)
        port = int(address.rpartition(":")[2])
        processes.wait_until(lambda: listens(port), "the S3 server listens")
        client = boto3.client("s3")
        client.create_bucket(Bucket="data")
        for path in photos.iterdir():
            client.upload_file(str(path), "data", f"photos/{path.name}")
        yield root / "data"


@pytest.fixture(scope="session")
def spark(tmp_path_factory) -> Iterator[list[str]]:
    """The Beam options for a local Spark master of two threads with a worker pool of its own."""
    need("spark-job-server.jar", "workers")
    [port] = free_ports(1)
    with Processes(tmp_path_factory.mktemp("spark")) as processes:
        start_worker_pool(processes, "workerpool", port)
        processes.wait_until(lambda: listens(port), "the worker pool listens")
        yield [
            "--runner=SparkRunner",
            "--spark_master_url=local[2]",
            f"--spark_job_server_jar={engines_folder() / 'spark-job-server.jar'}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{port}",
        ]
