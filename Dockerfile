# A worker's container: Beam's own image with what a worker needs and nothing else; no TensorFlow.
#   pip freeze --exclude-editable | grep -iE '^(h5py|numpy|pillow|protobuf|pyarrow|simplejpeg)==' > versions.txt
#   docker build --build-arg PYTHON=3.11 --build-arg BEAM=2.77.0 -t REGISTRY/pixelbeam-worker .
# versions.txt, PYTHON and BEAM are the launcher's: other codecs would write other bytes.
ARG PYTHON=3.11
ARG BEAM=2.77.0
FROM apache/beam_python${PYTHON}_sdk:${BEAM}
ARG BEAM
COPY setup.py pyproject.toml README.md versions.txt /src/
COPY pixelbeam /src/pixelbeam
COPY schemas /src/schemas
COPY transforms /src/transforms
COPY pipeline /src/pipeline
COPY readers /src/readers
RUN pip install --no-cache-dir --constraint /src/versions.txt "apache-beam[gcp]==${BEAM}" "/src[s3]" && rm -r /src
