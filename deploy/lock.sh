#!/bin/sh
# Resolves pyproject.toml into requirements.lock: hashed, and without the name of any host.
set -eu
unset CDPATH
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .venv-uv/bin/uv)
# uv.lock records where files were downloaded, so it stays out of the repository.
"$uv" lock --quiet "$@"
"$uv" export --quiet --frozen --all-groups --all-extras --no-extra pdf --no-emit-project --no-header --output-file requirements.lock >/dev/null
if grep -nE '://|--(extra-)?index|--find-links' requirements.lock; then
    echo "requirements.lock names a host: see the lines above" >&2
    exit 1
fi
