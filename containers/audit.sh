#!/bin/bash
# audit.sh FOLDER: check the packages of the images against the advisories that pip-audit can reach (its own
# environment goes to FOLDER). Exit code: 0 nothing known against them, 1 advisories (listed), 3 nothing was checked.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly FOLDER=$1
readonly PIP_AUDIT=2.10.1

install_pip_audit() {
  [[ -x $FOLDER/bin/pip-audit ]] && return
  "${PYTHON:-python3}" -m venv "$FOLDER"
  "$FOLDER/bin/python" -m pip install --quiet "pip-audit==$PIP_AUDIT"
}

audit() { # audit SERVICE REQUIREMENTS; strict: a package that the database does not know is an error, not a pass
  "$FOLDER/bin/pip-audit" --strict --vulnerability-service "$1" --timeout 15 --no-deps --disable-pip \
    --progress-spinner off --requirement "$2"
}

# Asked about a single package, before patience is spent on all of them. pip-audit ends with 1 for a finding and for a
# dead network alike, but prints only a finding to standard output.
answers() { # answers SERVICE
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
