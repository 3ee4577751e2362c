#!/bin/sh
# What both recipes run inside the image, so that both images hold the same.
#   install.sh packages [PIP OPTION]...   the packages of requirements.txt, exactly; then pip itself goes
#   install.sh detector                   the files of /opt/detector, once they are there
#   install.sh version [EXPECTED]         prints the detector's version; fails if it is not the expected one
set -eu

install_packages() {
  python3 -m pip install --no-cache-dir --root-user-action ignore --only-binary :all: --no-deps "$@" \
    --requirement /opt/detector/requirements.txt
  python3 -m pip check
  site=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  # What is there for testing the packages or building C++ against torch: a fifth of the image.
  rm -rf "$site/torch/include" "$site/torch/test"
  find "$site/torch/bin" -type f ! -name torch_shm_manager -delete
  find "$site" -type d -name tests -prune -exec rm -r {} +
  python3 -m pip uninstall --quiet --yes --root-user-action ignore wheel pip
}

install_detector() {
  cd /opt/detector
  # The files lie where NIST's harness looks for them; the entrypoint looks beside itself.
  ln -s /metaparameters.json /metaparameters_schema.json .
  ln -s /learned_parameters learned_params
  find . -name __pycache__ -prune -exec rm -r {} +
  python3 -m compileall -q detector entrypoint.py
  chmod -R a+rX,go-w /opt/detector /metaparameters.json /metaparameters_schema.json /learned_parameters # for any user
}

install_version() {
  version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$(dirname "$0")/detector/__init__.py")
  echo "$version"
  if [ "${1:-$version}" != "$version" ]; then
    echo "install.sh: the label was to say version $1, but this is $version" >&2
    return 1
  fi
}

what=$1
shift
"install_$what" "$@"
