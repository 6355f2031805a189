"""Running a pipeline to its end, so that an interrupt ends it and whatever it has started."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import suppress

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.fn_runner import RunnerResult
from apache_beam.runners.runner import (
    PipelineResult,
    PipelineRunner,
    PipelineState,
    create_runner,
)
from rich.console import Console

from ..schemas.errors import BuildError, OptionError
from ..transforms.storage.output_folder import Folder
from .progress import ProgressWatch, report_progress

__all__ = ["choose_runner", "is_local_runner", "run_to_end", "run_watched", "uses_processes"]

# Plain "DirectRunner" first looks for Prism, a runner that it would have to download.
_LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
_LOCAL_NAMES = (None, "DirectRunner", "direct", "directrunner", "FnApiRunner", _LOCAL_RUNNER)
_PROCESSES = "multi_processing"
_CANCEL_SECONDS = 30.0


def is_local_runner(beam_options: PipelineOptions) -> bool:
    """Whether a pipeline runs on this machine, in this process or in processes of its own."""
    return beam_options.view_as(StandardOptions).runner in _LOCAL_NAMES


def uses_processes(beam_options: PipelineOptions) -> bool:
    """Whether the local runner works in processes of its own."""
    return beam_options.view_as(DirectOptions).direct_running_mode == _PROCESSES


def choose_runner(beam_options: PipelineOptions) -> PipelineRunner:
    """The runner that the options name.

    Raises:
        OptionError: there is none of that name.
    """
    if not is_local_runner(beam_options):
        return _find_runner(beam_options.view_as(StandardOptions).runner)
    beam_options.view_as(StandardOptions).runner = _LOCAL_RUNNER
    return _LocalRunner()


def _find_runner(name: str) -> PipelineRunner:
    try:
        runner = create_runner(name)
    except (ValueError, ImportError, AttributeError, TypeError) as error:
        raise OptionError(f"--runner: got {name!r}, expected one of Beam's: {error}") from None
    if not isinstance(runner, PipelineRunner):
        raise OptionError(f"--runner: got {name!r}, which is no runner of Beam's")
    return runner


class _LocalRunner(FnApiRunner):
    """Beam's, with workers that look out for their launcher; Beam's own outlive it."""

    def run_via_runner_api(
        self, pipeline_proto: beam_runner_api_pb2.Pipeline, options: PipelineOptions
    ) -> RunnerResult:
        command = f"exec {shlex.quote(sys.executable)} -m pixelbeam.pipeline.worker {os.getpid()}"
        for environment in pipeline_proto.components.environments.values():
            if environment.urn == python_urns.SUBPROCESS_SDK:
                environment.payload = command.encode()
        return super().run_via_runner_api(pipeline_proto, options)


def run_to_end(pipeline: beam.Pipeline) -> str:
    """Runs a pipeline, and cancels it when interrupted; returns the state that it ended in."""
    if isinstance(pipeline.runner, _LocalRunner):
        # Beam's cleaning up after an interrupt waits for workers that may never answer. In a thread, an
        # interrupt does not meet it; the thread, and the workers, end with the process.
        return _in_thread(lambda: pipeline.run().wait_until_finish()).result()
    running: PipelineResult = pipeline.run()
    # In a thread: an interrupt that meets Beam's waiting closes the channel that cancelling needs.
    outcome = _in_thread(running.wait_until_finish)
    try:
        return outcome.result()
    except KeyboardInterrupt:
        # At a terminal, Ctrl-C ends Beam's job server too, and then nobody is there to be asked.
        with suppress(grpc.RpcError, ValueError):
            running.cancel()
            wait_for([outcome], _CANCEL_SECONDS)
        raise


def run_watched(pipeline: beam.Pipeline, output: Folder, console: Console) -> None:
    """Runs a pipeline that builds shards to its end, and says how far it is.

    Args:
        pipeline: what to run.
        output: where its plan and results appear.
        console: where to say it.

    Raises:
        BuildError: it did not end well.
        KeyboardInterrupt: with how far it got.
    """
    watch = ProgressWatch(output)
    try:
        with report_progress(watch, console):
            state = run_to_end(pipeline)
    except KeyboardInterrupt:
        done = watch.look() or "the manifest was being read"
        raise KeyboardInterrupt(
            f"interrupted: {done}; run the same command again to continue"
        ) from None
    if state != PipelineState.DONE:
        raise BuildError(f"the pipeline ended as {state}; run the same command again to continue")


def _in_thread(function: Callable[[], str]) -> Future[str]:
    outcome: Future[str] = Future()

    def run() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome
