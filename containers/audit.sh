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

audit() { # audit SERVICE
  "$FOLDER/bin/pip-audit" --vulnerability-service "$1" --timeout 20 --no-deps --disable-pip --progress-spinner off \
    --requirement containers/requirements.txt
}

# pip-audit ends with 1 for a finding and for a dead network alike; only a finding is printed to standard output.
install_pip_audit
for service in pypi osv; do
  code=0
  findings=$(audit "$service" 2> "$FOLDER/$service.log") || code=$?
  if [[ $code -eq 0 || -n $findings ]]; then
    [[ -z $findings ]] || echo "$findings"
    echo "audit: asked the database '$service' about $(grep -c == containers/requirements.txt) packages, exit code $code"
    exit "$code"
  fi
  echo "audit: the database '$service' did not answer: $(tail -n 1 "$FOLDER/$service.log" | cut -c 1-150)" >&2
done
echo "audit: NOTHING WAS CHECKED, no advisory database can be reached from this machine" >&2
exit 3
