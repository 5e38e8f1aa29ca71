#!/bin/sh
# Installs what the app needs into .venv, unless it is there. With --dev, also what its tests need.
set -eu
cd "$(dirname "$0")"
lists="requirements.txt"
[ "${1:-}" = --dev ] && lists="requirements.txt requirements-dev.txt"
wanted=$(cat $lists)
installed=$(cat .venv/installed 2>/dev/null || true)
case "$installed" in "$wanted"*) .venv/bin/python -c '' 2>/dev/null && exit ;; esac
rm -rf .venv
python3 -m venv .venv
for list in $lists; do .venv/bin/pip install --quiet --disable-pip-version-check -r "$list"; done
printf '%s\n' "$wanted" >.venv/installed
