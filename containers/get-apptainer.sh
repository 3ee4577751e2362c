#!/bin/bash
# get-apptainer.sh PREFIX: unpack Apptainer below PREFIX/usr/bin, as `singularity` too. Installs nothing on the system.
#
# Debian 12 does not package Apptainer, its unstable suite does, built for a newer C library. Both are taken from this
# machine's own Debian mirror and unpacked side by side, so that the system's C library stays as it is.
set -euo pipefail

readonly PREFIX=$(realpath -m "$1")
readonly WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

debian_mirror() { # the URI that this machine itself takes Debian from
  apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' | awk '$2 == "Debian" {print $1; exit}'
}

# Packages of the unstable suite, downloaded with lists and caches of their own: the system's apt never sees the suite.
download() { # download PACKAGE...
  local mirror; mirror=$(debian_mirror)
  [[ -n $mirror ]] || { echo "no Debian mirror among this machine's apt sources" >&2; return 1; }
  mkdir -p "$WORK"/{lists/partial,cache/archives/partial,etc}
  touch "$WORK/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror unstable main" > "$WORK/etc/sources.list"
  cat > "$WORK/apt.conf" <<EOF
Dir::Etc::sourcelist "$WORK/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$WORK/lists";
Dir::State::status "$WORK/status";
Dir::Cache "$WORK/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
EOF
  (cd "$WORK" && export APT_CONFIG=$WORK/apt.conf && apt-get -qq update && apt-get -qq download "$@")
}

unpack() {
  rm -rf "$PREFIX"
  mkdir -p "$PREFIX"
  dpkg-deb -x "$WORK"/apptainer_*.deb "$PREFIX"
  dpkg-deb -x "$WORK"/libc6_*.deb "$PREFIX/glibc"
}

use_its_own_c_library() {
  local libraries=$PREFIX/glibc/usr/lib/x86_64-linux-gnu program
  for program in usr/bin/apptainer usr/lib/x86_64-linux-gnu/apptainer/bin/starter; do
    patchelf --set-interpreter "$libraries/ld-linux-x86-64.so.2" \
      --force-rpath --set-rpath "$libraries:/usr/lib/x86_64-linux-gnu" "$PREFIX/$program"
  done
}

configure() {
  # It looks for its files beside itself.
  ln -s ../etc "$PREFIX/usr/etc"
  ln -s ../var "$PREFIX/usr/var"
  ln -s ../../etc "$PREFIX/usr/lib/etc"
  ln -s ../../var "$PREFIX/usr/lib/var"
  ln -s apptainer "$PREFIX/usr/bin/singularity"
  # Root in a virtual machine may lack capabilities that Apptainer asks for by default.
  sed -i 's/^root default capabilities.*/root default capabilities = no/' "$PREFIX/etc/apptainer/apptainer.conf"
}

download apptainer libc6
unpack
use_its_own_c_library
configure
"$PREFIX/usr/bin/singularity" --version
