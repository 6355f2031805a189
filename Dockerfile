# A worker's container: Beam's own image with what a worker needs and nothing else; no TensorFlow.
#   docker build --build-arg BEAM=2.77.0 -t REGISTRY/pixelbeam-worker .
# The Beam version and the Python version have to be the launcher's.
ARG PYTHON=3.11
ARG BEAM=2.77.0
FROM apache/beam_python${PYTHON}_sdk:${BEAM}
ARG BEAM
COPY setup.py pyproject.toml README.md /src/
COPY schemas /src/schemas
COPY transforms /src/transforms
COPY pipeline /src/pipeline
COPY readers /src/readers
RUN pip install --no-cache-dir "apache-beam[aws,gcp]==${BEAM}" /src && rm -r /src
