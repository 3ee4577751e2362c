#!/bin/bash
# test.sh PYTHON: build both images from nothing and check them (make test-container).
#
# For root on a Debian machine that reaches Debian's packages and PyPI, but no container registry. What succeeded before
# and would be done with the same inputs again is skipped; everything large lies in build/containers. The image and the
# SIF are two tracks: one that fails does not keep the other from being built and checked. They are built at the same
# time and checked one after the other, for the checks measure time.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly PYTHON=$1
readonly HERE=containers
readonly WORK=$PWD/build/containers
readonly BASE=$WORK/base WHEELS=$WORK/wheels SIF=$WORK/detector.sif APPTAINER=$WORK/apptainer
readonly BASE_IMAGE=localhost/debian-python:local IMAGE=localhost/pruning-trojan-detector:test
readonly OFFLINE="--no-index --find-links /mnt"
readonly INSIDE=(entrypoint.py metaparameters.json metaparameters_schema.json detector learned_params reference_data
  "$HERE/requirements.txt" "$HERE/install.sh")
export CONTAINERS_CONF=$PWD/$HERE/containers.conf PATH=$APPTAINER/usr/bin:$PATH

# part NAME EXPLANATION INPUTS COMMAND...: one line about each part. It is skipped where it has succeeded with the same
# inputs (a fingerprint; `always` never is), and its output goes to a log that is shown when it fails.
part() {
  local name=$1 explanation=$2 inputs=$3; shift 3
  local log=$WORK/$name.log stamp=$WORK/$name.done began=$SECONDS
  if [[ $inputs != always && -e $stamp && $(< "$stamp") == "$inputs" ]]; then
    report "$name" "done before"
    return
  fi
  rm -f "$stamp"
  if ! "$@" > "$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "test-container: FAILED: $name ($explanation); all of its output is in ${log#"$PWD"/}" >&2
    echo "$name" >> "$WORK/failed"
    return 1
  fi
  echo "$inputs" > "$stamp"
  report "$name" "$((SECONDS - began)) s"
}

report() { # report PART TIME
  echo "test-container: $1: $2"
  printf 'time\t%s\t%s\n' "$1" "$2" >> "$WORK/figures.tsv"
}

fingerprint() { # fingerprint FILE OR FOLDER...: of names and contents
  find "$@" -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1
}

debian_packages() {
  local missing=()
  # the last ones go into the base (debian-base.sh), and not every Debian has them
  for package in podman runc uidmap squashfs-tools patchelf \
    ca-certificates openssl media-types libsqlite3-0 libreadline8 libncursesw6 libexpat1; do
    dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q ' installed' || missing+=("$package")
  done
  [[ ${#missing[@]} -eq 0 ]] && return
  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

wheels() {
  rm -rf "$WHEELS"
  "$PYTHON" -m pip download --quiet --only-binary :all: --no-deps -d "$WHEELS" -r "$HERE/requirements.txt"
}

base_image() { tar -C "$BASE" -cf - . | podman import --quiet --change 'CMD ["python3"]' - "$BASE_IMAGE"; }

version() { sed -n 's/^__version__ = "\(.*\)"$/\1/p' detector/__init__.py; }

# Isolation chroot: the default would make bridges and firewall rules on this machine.
image() {
  podman build --isolation chroot --pull=never --volume "$WHEELS:/mnt:ro" \
    --build-arg "BASE_IMAGE=$BASE_IMAGE" --build-arg "PIP_ARGS=$OFFLINE" --build-arg "VERSION=$(version)" \
    --tag "$IMAGE" .
}

apptainer() {
  bash "$HERE/get-apptainer.sh" "$APPTAINER" && for file in /etc/subuid /etc/subgid; do
    grep -qs '^root:' "$file" || echo root:100000:65536 >> "$file" # for --fakeroot
  done
}

sif() { # with a fast compression; users build with the default one
  singularity build --force --fakeroot --mksquashfs-args "-comp zstd -Xcompression-level 1" --bind "$WHEELS:/mnt:ro" \
    --build-arg BOOTSTRAP=localimage --build-arg "FROM=$BASE" --build-arg "PIP_ARGS=$OFFLINE" "$SIF" singularity.def
}

checks() { # checks OPTION...
  "$PYTHON" -m pytest "$HERE/checks" --import-mode=prepend -p no:cacheprovider --tb=short \
    --basetemp "$WORK/tmp" --figures "$WORK/figures.tsv" "$@"
}

common_track() {
  part debian-packages "installing podman, runc and others from Debian" always debian_packages &&
    part wheels "downloading the Python packages" "$(fingerprint "$HERE/requirements.txt")" wheels &&
    part base "making a base root from this machine's files" "$(fingerprint "$HERE/debian-base.sh")" \
      bash "$HERE/debian-base.sh" "$BASE"
}

podman_build() {
  { podman image exists "$BASE_IMAGE" || rm -f "$WORK/base-image.done"; } &&
    part base-image "importing the base root to podman" "$(fingerprint "$HERE/debian-base.sh")" base_image &&
    part image "building the Dockerfile with podman" always image # podman knows itself what to skip
}

apptainer_build() {
  part apptainer "getting Apptainer from Debian's unstable suite: no fault of the detector or of podman's part" \
    "$(fingerprint "$HERE/get-apptainer.sh")" apptainer &&
    part sif "building singularity.def with Apptainer" \
      "$(fingerprint singularity.def "$HERE/debian-base.sh" "${INSIDE[@]}")" sif
}

both_tracks() {
  local podman apptainer
  podman_build & podman=$!
  apptainer_build & apptainer=$!
  if wait "$podman"; then
    wait "$apptainer" || true # the checks measure time: nothing else runs beside them
    part image-checks "checking the image with podman" always checks --podman-image "$IMAGE" || true
  fi
  if wait "$apptainer"; then
    part sif-checks "checking the SIF with Apptainer" always checks --sif "$SIF" || true
  fi
}

table() {
  echo
  awk -F '\t' '{printf "%-10s  %-28s  %s\n", $1, $2, $3}' "$WORK/figures.tsv" || true
  tail -qn 1 "$WORK"/*-checks.log 2> /dev/null || true # there are none where nothing could be built
}

[[ $(id -u) -eq 0 ]] || { echo "test-container: must run as root: it installs Debian packages" >&2; exit 2; }
mkdir -p "$WORK"
rm -f "$WORK"/figures.tsv "$WORK"/failed "$WORK"/*-checks.log
if common_track; then
  both_tracks
fi
table
if [[ -s $WORK/failed ]]; then
  echo "test-container: FAILED after $SECONDS s: $(paste -sd ' ' "$WORK/failed")" >&2
  exit 1
fi
echo "test-container: both images pass, $SECONDS s in all"
