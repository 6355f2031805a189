"""A Flink cluster on this machine: a JobManager, TaskManagers and Beam worker pools, a process each.

    python examples/flink/cluster.py [--task_managers N] [--slots N] -- build --manifest …

brings it up, runs ``pixelbeam`` on it with the arguments behind ``--``, and takes it down again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType

__all__ = [
    "STOPS",
    "FlinkCluster",
    "Processes",
    "engines_folder",
    "free_ports",
    "listens",
    "missing",
    "start_worker_pool",
]

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What a terminal, or whoever supervises a program, tells it to stop with."""

_WORKER_POOL = Path(__file__).with_name("worker_pool.py")
_POOL_HOST = "worker-pool"  # a name that each TaskManager finds its own pool behind
_INSTALL = "examples/flink/install.sh spark s3"
_ROOT = Path(__file__).resolve().parents[2]
_FAILED, _INTERRUPTED = 1, 130  # exit codes of pixelbeam
_CANCEL_SECONDS = 60.0
_START_SECONDS = 60.0
_POLL_SECONDS = 0.2
# What Flink's own scripts pass to Java 17.
_OPENED = (
    "java.net",
    "java.io",
    "java.nio",
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
    "sun.nio.ch",
    "sun.net.util",
)
_JAVA = ["java", *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED)]


def engines_folder() -> Path:
    """Where ``install.sh`` puts the engines: ``$PIXELBEAM_ENGINES``, else a folder of the user's cache."""
    default = Path.home() / ".cache" / "pixelbeam-engines"
    return Path(os.environ.get("PIXELBEAM_ENGINES") or default)


def missing(*names: str) -> str | None:
    """A sentence that says what is not installed and how to install it; ``None`` when all is there.

    Args:
        names: files or folders below ``engines_folder()``.
    """
    lacking = [name for name in names if not (engines_folder() / name).exists()]
    if shutil.which("java") is None:
        lacking.append("java")
    if lacking:
        return f"no {', '.join(lacking)} in {engines_folder()}: run `{_INSTALL}`"
    if "workers" in names and not _workers_run_this_code():
        return (
            f"the workers of {engines_folder()} run the code of another checkout: run `{_INSTALL}`"
        )
    return None


def _workers_run_this_code() -> bool:
    """Whether the workers' environment, which takes the code from a checkout, takes it from this one."""
    installed = engines_folder() / "workers" / "installed"
    return installed.exists() and f" {_ROOT / 'setup.py'}\n" in installed.read_text()


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Processes:
    """Processes that live as long as a ``with`` block, each in a group of its own, with a log each.

    Args:
        folder: where the logs go.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # An interrupt in here would leave some of them running.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        for name in list(self._running):
            self.kill(name)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def start(self, name: str, command: Sequence[str | Path], **environment: str) -> None:
        """Starts a process under a name that is free."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            self._running[name] = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    @property
    def names(self) -> list[str]:
        """The processes that were started and not killed."""
        return list(self._running)

    def pid(self, name: str) -> int:
        """The id of a process, which is also that of its group."""
        return self._running[name].pid

    def kill(self, name: str) -> None:
        """Ends a process and its children with SIGKILL, as a failing machine would."""
        process = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Waits until something is so.

        Raises:
            RuntimeError: a process ended meanwhile, or it took longer than a minute.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            dead = [name for name, process in self._running.items() if process.poll() is not None]
            if dead:
                raise RuntimeError(
                    f"{dead[0]} ended by itself; its log: {self.folder / dead[0]}.log"
                )
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"{what}: not so after {_START_SECONDS:g} s; logs: {self.folder}"
                )
            time.sleep(_POLL_SECONDS)


def start_worker_pool(processes: Processes, name: str, port: int) -> None:
    """Starts Beam's worker pool, from the environment that has only what a worker needs."""
    module = "apache_beam.runners.worker.worker_pool_main"
    _start_python(processes, name, "-m", module, f"--service_port={port}")


def _start_python(processes: Processes, name: str, *arguments: str | Path) -> None:
    python = engines_folder() / "workers" / "bin"
    # The pool starts its workers as `python`.
    path = f"{python}{os.pathsep}{os.environ['PATH']}"
    processes.start(name, [python / "python", *arguments], PATH=path)


class FlinkCluster:
    """A standalone Flink cluster on loopback.

    Every TaskManager has a worker pool of its own, ``taskmanager-1`` the ``workerpool-1`` and so on. The
    host that the job takes them from is another loopback address for each TaskManager.

    Args:
        processes: runs the processes.
        task_managers: how many TaskManagers.
        slots: tasks that each TaskManager runs at a time; they share a Python process.
    """

    def __init__(self, processes: Processes, task_managers: int = 2, slots: int = 1):
        self.processes = processes
        self.parallelism = task_managers * slots
        self._slots, self._started = slots, 0
        # Each slot keeps 512 buffers of 32 KiB (sort-shuffle.min-buffers) for each of the shuffles that run at
        # once, and some for every slot of the cluster that it sends to.
        self._network_mib = slots * max(192, 32 * self.parallelism)
        self._engines = engines_folder()
        self._rpc_port, self._rest_port, self._pool_port = free_ports(3)
        self._write_settings()
        self._start_java("jobmanager", "entrypoint.StandaloneSessionClusterEntrypoint", "-Xmx512m")
        for _ in range(task_managers):
            self.add_task_manager()
        processes.wait_until(lambda: self.free_slots() == self.parallelism, "TaskManagers register")

    @property
    def options(self) -> list[str]:
        """The Beam options that run a build on this cluster."""
        return [
            "--runner=FlinkRunner",
            f"--flink_master=localhost:{self._rest_port}",
            "--flink_version=1.19",
            f"--flink_job_server_jar={self._engines / 'flink-job-server.jar'}",
            f"--parallelism={self.parallelism}",
            "--environment_type=EXTERNAL",
            f"--environment_config={_POOL_HOST}:{self._pool_port}",
            # Else a TaskManager whose worker died goes on asking the dead one.
            "--environment_expiration_millis=20000",
        ]

    def add_task_manager(self) -> None:
        """Starts another TaskManager, and its worker pool before it."""
        self._started += 1
        number = self._started
        self.start_worker_pool(number)
        names = self.processes.folder / f"hosts-{number}"
        names.write_text(
            f"127.0.0.1 localhost {socket.gethostname()}\n{_pool_address(number)} {_POOL_HOST}\n"
        )
        hosts = f"-Djdk.net.hosts.file={names}"
        main = "taskexecutor.TaskManagerRunner"
        # The buffers, and what else Flink keeps outside the heap; Java's own bound is that of the heap.
        direct = f"-XX:MaxDirectMemorySize={self._network_mib + 256}m"
        self._start_java(f"taskmanager-{number}", main, "-Xmx512m", direct, hosts)

    def start_worker_pool(self, number: int) -> None:
        """Starts the worker pool of a TaskManager, also in the place of one that died."""
        address = _pool_address(number)
        place = f"{address}:{self._pool_port}"
        _start_python(self.processes, f"workerpool-{number}", _WORKER_POOL, place)
        self.processes.wait_until(lambda: listens(self._pool_port, address), "worker pool listens")

    def free_slots(self) -> int:
        """Slots that no job uses; 0 while the JobManager does not answer."""
        try:
            return int(str(self.ask("/overview")["slots-available"]))
        except (OSError, KeyError, ValueError):
            return 0

    def ask(self, path: str) -> dict[str, object]:
        """What the JobManager's REST interface answers."""
        with urllib.request.urlopen(
            f"http://localhost:{self._rest_port}{path}", timeout=5
        ) as reply:
            return dict(json.load(reply))

    def _write_settings(self) -> None:
        settings = {
            "jobmanager.rpc.address": "localhost",
            "jobmanager.rpc.port": self._rpc_port,
            "rest.port": self._rest_port,
            "rest.address": "localhost",
            "taskmanager.host": "localhost",
            "taskmanager.numberOfTaskSlots": self._slots,
            "taskmanager.cpu.cores": self._slots,
            "taskmanager.memory.framework.heap.size": "128m",
            "taskmanager.memory.framework.off-heap.size": "128m",
            "taskmanager.memory.task.heap.size": "256m",
            "taskmanager.memory.task.off-heap.size": "0m",
            "taskmanager.memory.network.min": f"{self._network_mib}m",
            "taskmanager.memory.network.max": f"{self._network_mib}m",
            "taskmanager.memory.managed.size": "128m",
            "taskmanager.memory.jvm-metaspace.size": "256m",
            "taskmanager.memory.jvm-overhead.min": "192m",
            "taskmanager.memory.jvm-overhead.max": "192m",
            # A lost TaskManager is noticed within seconds, and the job then starts again.
            "heartbeat.interval": 1000,
            "heartbeat.timeout": 10000,
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": 12,
            "restart-strategy.fixed-delay.delay": "3 s",
            "io.tmp.dirs": self.processes.folder,
        }
        lines = [f"{name}: {value}\n" for name, value in settings.items()]
        (self.processes.folder / "flink-conf.yaml").write_text("".join(lines))

    def _start_java(self, name: str, main: str, *flags: str) -> None:
        classes = f"{self._engines / 'flink' / 'lib'}/*"
        command = [*_JAVA, *flags, "-cp", classes, f"org.apache.flink.runtime.{main}"]
        self.processes.start(name, [*command, "--configDir", str(self.processes.folder)])


def listens(port: int, address: str = "127.0.0.1") -> bool:
    """Whether something listens on a port of a loopback address."""
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def _pool_address(number: int) -> str:
    return f"127.0.0.{number + 1}"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run_on_cluster(folder: Path, given: argparse.Namespace) -> int:
    with Processes(folder) as processes:
        cluster = FlinkCluster(processes, given.task_managers, given.slots)
        command = [sys.executable, "-m", "pixelbeam.pipeline.main", *given.arguments]
        return _run_build([*command, *cluster.options])


def _run_build(command: Sequence[str]) -> int:
    """Runs a build; one that is interrupted gets the time to cancel its job."""
    # In a session of its own: at a terminal, Ctrl-C would also end the job server, through which the
    # build cancels its job.
    build = subprocess.Popen(command, start_new_session=True)
    try:
        return build.wait()
    except KeyboardInterrupt:
        build.send_signal(signal.SIGINT)
        return build.wait(_CANCEL_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(build.pid, signal.SIGKILL)


def main(argv: Sequence[str]) -> int:
    """Runs a build on a cluster of its own; returns its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--task_managers", type=int, default=2, metavar="N")
    parser.add_argument("--slots", type=int, default=1, metavar="N", help="slots of a TaskManager")
    parser.add_argument("arguments", nargs="+", help="arguments of pixelbeam")
    given = parser.parse_args(argv)
    lacking = missing("flink", "flink-job-server.jar", "workers")
    if lacking:
        parser.error(lacking)
    for number in STOPS:
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="pixelbeam-flink-"))
    print(f"starting Flink; logs: {folder}", file=sys.stderr)
    try:
        code = _run_on_cluster(folder, given)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    if code == _FAILED:
        print(f"Flink's logs: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
