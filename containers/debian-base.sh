#!/bin/bash
# debian-base.sh DIR: a minimal Debian with Python, made of this Debian machine's own files in seconds, no registry asked.
#
# It stands in for the official Python image where no container registry can be reached (tests, CI): laid out alike,
# Python in /usr/local. It holds this machine's certificates and user names: an image made from it is for this machine.
set -euo pipefail

readonly ROOT=$1
readonly PACKAGES=(base-files bash dash coreutils debianutils libc6 libc-bin libcrypt1 libgcc-s1 libstdc++6 libtinfo6
  libselinux1 libpcre2-8-0 libacl1 libattr1 libgmp10 zlib1g libbz2-1.0 liblzma5 libzstd1 libssl3 libffi8 libsqlite3-0
  libreadline8 libncursesw6 libexpat1 libuuid1 ca-certificates openssl tar gzip grep sed findutils mawk diffutils
  tzdata media-types)

folders() {
  rm -rf "$ROOT"
  mkdir -p "$ROOT"/usr/{bin,sbin,lib,lib64,local} "$ROOT"/{dev,etc,mnt,proc,root,run,sys,tmp,var/lib/dpkg,var/tmp}
  chmod 1777 "$ROOT/tmp" "$ROOT/var/tmp"
  local link
  for link in bin sbin lib lib64; do ln -s "usr/$link" "$ROOT/$link"; done
}

files_of_packages() { # without documentation, and without the folders made above
  dpkg-query -L "${PACKAGES[@]}" | grep '^/.' |
    grep -vE '^/usr/share/(doc|man|locale|info|lintian)(/|$)|^/(bin|sbin|lib|lib64|dev|proc|sys|tmp|run|home|boot)$|diverted'
  printf '%s\n' /etc/passwd /etc/group /etc/ssl/certs/ca-certificates.crt
}

copy_debian() {
  files_of_packages | sort -u | sed 's#^/##' | tar -C / --no-recursion -cf - -T - |
    tar -C "$ROOT" --keep-directory-symlink -xf -
  dpkg-query -s "${PACKAGES[@]}" > "$ROOT/var/lib/dpkg/status" # so that the list of what is inside is true
}

copy_python() {
  local python version packages
  python=$(python3 -c 'import sys; print(sys.base_prefix)')
  [[ $python != /usr ]] || { echo "python3 is the system's own: one below a prefix of its own is needed" >&2; return 1; }
  version=$(python3 -c 'import sys; print("python{}.{}".format(*sys.version_info))')
  packages=lib/$version/site-packages
  (cd "$python" && tar --exclude="$packages" --exclude="lib/$version/test" --exclude=__pycache__ --exclude='*.a' \
    -cf - bin/python bin/python3 "bin/$version" lib) | tar -C "$ROOT/usr/local" -xf -
  mkdir "$ROOT/usr/local/$packages"
  cp -r "$python/$packages"/pip "$python/$packages"/pip-* "$ROOT/usr/local/$packages"
}

grep -qs '^ID=debian' /etc/os-release || { echo "this machine is not a Debian" >&2; exit 1; }
folders
copy_debian
copy_python
chroot "$ROOT" ldconfig
chroot "$ROOT" python3 -c 'import bz2, ctypes, lzma, sqlite3, ssl, sys, zlib; print("Python", sys.version.split()[0])'
