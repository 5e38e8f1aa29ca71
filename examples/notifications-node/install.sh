#!/bin/sh
# Installs what the app needs into node_modules, unless it is there, and compiles it into dist.
set -eu
cd "$(dirname "$0")"
if ! cmp -s package-lock.json node_modules/installed; then
  npm ci --ignore-scripts --no-audit --no-fund
  cp package-lock.json node_modules/installed
fi
npm run --silent build
