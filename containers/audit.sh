#!/bin/bash
# audit.sh FOLDER: check the packages of the images against the advisories that pip-audit can reach (its own
# environment goes to FOLDER). Exit code: 0 nothing known against them, 1 advisories (listed), 3 nothing was checked.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly FOLDER=$1
readonly PIP_AUDIT=2.10.1

install_pip_audit() { # audit SERVICE REQUIREMENTS
  "$FOLDER/bin/pip-audit" --vulnerability-service "$1" --timeout 15 --no-deps --disable-pip --progress-spinner off \
    --requirement "$2"
}

# pip-audit ends with 1 for a finding and for a dead network alike, and only a finding is printed to standard output.
answers() { # answers SERVICE: asked about a single package, before patience is spent on all of them
  grep -m 1 == containers/requirements.txt > "$FOLDER/one.txt"
  audit "$1" "$FOLDER/one.txt" > "$FOLDER/one.out" 2> "$FOLDER/$1.log" || [[ -s $FOLDER/one.out ]]
}

install_pip_audit
for service in pypi osv; do
  if answers "$service"; then
    echo "audit: asking the database '$service' about $(grep -c == containers/requirements.txt) packages"
    audit "$service" containers/requirements.txt
    exit
  fi
  echo "audit: the database '$service' does not answer: $(tail -n 1 "$FOLDER/$service.log" | cut -c 1-120)" >&2
done
echo "audit: NOTHING WAS CHECKED: no advisory database can be reached from this machine" >&2
exit 3
