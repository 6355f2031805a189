"""A Beam worker pool that listens on one address: python worker_pool.py 127.0.0.2:50000.

Beam's own, ``python -m apache_beam.runners.worker.worker_pool_main``, listens on all addresses of a
machine, as is right where every TaskManager has a machine or a pod. TaskManagers that share a pool take
down each other's workers, for each of them numbers its own from 1; so on one machine each has a pool at
an address of its own.
"""

from __future__ import annotations

import sys

import grpc
from apache_beam.portability.api import beam_fn_api_pb2_grpc
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer
from apache_beam.utils.thread_pool_executor import shared_unbounded_instance


def main(address: str) -> None:
    """Serves until the process is ended."""
    server = grpc.server(shared_unbounded_instance())
    if not server.add_insecure_port(address):
        raise SystemExit(f"cannot listen on {address}")
    pool = BeamFnExternalWorkerPoolServicer(use_process=True, data_buffer_time_limit_ms=-1)
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1])
