#!/usr/bin/env bash
# Installs engines, once, into $PIXELBEAM_ENGINES (default: ~/.cache/pixelbeam-engines):
#   install.sh           Flink, its job server, and an environment with what a worker needs
#   install.sh spark s3  beside them Spark's job server and an S3 server, for the tests
# It needs python3, java 17 and mvn; for s3 also go.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
engines=${PIXELBEAM_ENGINES:-$HOME/.cache/pixelbeam-engines}
python=${PYTHON:-python3}
flink=1.19.3
s3=v1.8.0

need() {
  for tool in "$@"; do
    command -v "$tool" >/dev/null || { echo "install.sh: no $tool, which the engines need" >&2; exit 1; }
  done
}

# Each part is made beside its place and then moved there, so that a part is whole or not there.
install_flink() {
  [ ! -d "$engines/flink" ] || return 0
  echo "installing Flink $flink" >&2
  # Isolated: pip asks the sdist for its metadata, which takes a wheel package that no fresh venv has.
  "$python" -m pip download -q --no-deps --no-binary :all: -d "$scratch" "apache-flink-libraries==$flink"
  tar xzf "$scratch/apache-flink-libraries-$flink.tar.gz" -C "$scratch"
  mv "$scratch/apache-flink-libraries-$flink/deps" "$engines/flink"
}

install_job_server() {
  [ ! -f "$engines/$1-job-server.jar" ] || return 0
  echo "building Beam's job server for $1" >&2
  mvn -B -q -f "$here/job_server.xml" -P "$1" -DbuildDirectory="$scratch/$1" package
  mv "$scratch/$1/job-server-1.jar" "$engines/$1-job-server.jar"
}

install_workers() {
  local key
  key=$("$python" -V 2>&1 && cksum "$root/setup.py" && pip_freeze)
  [ "$(cat "$engines/workers/installed" 2>/dev/null)" != "$key" ] || return 0
  echo "installing the workers' environment" >&2
  rm -rf "$engines/workers"
  "$python" -m venv "$engines/workers"
  # The launcher's own versions: a worker has to have the same Beam, and the same codecs for the same bytes.
  pip_freeze >"$scratch/versions.txt"
  "$engines/workers/bin/pip" install -q --constraint "$scratch/versions.txt" --editable "$root" boto3
  echo "$key" >"$engines/workers/installed"
}

pip_freeze() {
  "$python" -m pip freeze --exclude-editable | grep -iE '^(apache-beam|numpy|pillow|pyarrow|h5py|protobuf)==' || true
}

install_s3() {
  [ ! -f "$engines/versitygw" ] || return 0
  echo "building the S3 server" >&2
  GOBIN=$engines go install "github.com/versity/versitygw/cmd/versitygw@$s3"
}

# Starts a part beside the others, as a process group of its own, so that it can be stopped whole.
running=()
beside() {
  set -m
  "$@" &
  set +m
  running+=($!)
}

stop() {
  for job in "${running[@]}"; do
    kill -- "-$job" 2>/dev/null || true
  done
  wait
  rm -rf "$scratch"
}

# One after the other, for they share Maven's folder of downloads.
install_job_servers() {
  for engine in "$@"; do
    install_job_server "$engine"
  done
}

mkdir -p "$engines"
scratch=$(mktemp -d "$engines/installing-XXXXXX")
trap stop EXIT
trap 'exit 130' INT TERM HUP
servers=(flink)
need "$python" java mvn
for part in "$@"; do
  case $part in
    spark) servers+=(spark) ;;
    s3)
      need go
      beside install_s3
      ;;
    *) echo "install.sh: got '$part', expected spark or s3" >&2 && exit 2 ;;
  esac
done
beside install_job_servers "${servers[@]}"
beside install_flink
beside install_workers
for _ in "${running[@]}"; do
  wait -n
done
