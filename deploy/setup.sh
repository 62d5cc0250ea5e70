#!/bin/sh
# Makes .venv with everything from requirements.lock. Does nothing when that has been done; may run twice at once.
set -eu
unset CDPATH
cd "$(dirname "$0")/.."
root=$(pwd)
stamp=.venv/medisettle-stamp

# The folder is part of the stamp: a moved or copied checkout has an environment that points to the old place.
wanted=$(cat requirements.lock pyproject.toml .python-version deploy/setup.sh | cksum)" $root"

is_ready() {
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null
}

find_python() {
    for candidate in python3.12 python3.13 python3.14 python3 "$HOME"/.pyenv/versions/3.1[2-9]*/bin/python; do
        if is_new_enough "$candidate"; then
            # A shim of a version manager may answer differently elsewhere: take the interpreter it leads to.
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    if command -v uv >/dev/null; then
        uv python find --no-python-downloads '>=3.12' 2>/dev/null && return
    fi
    echo "MediSettle needs Python 3.12 or newer, and none was found. Install it (on Debian and Ubuntu: \
apt-get install python3.12 python3.12-venv) and run this again." >&2
    return 1
}

# Debian ships Python without pip and without the part of venv that brings pip.
install_venv_module() {
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends "python$version-venv" >/dev/null
    else
        echo "$1 cannot make virtual environments. Install its venv module (on Debian and Ubuntu: \
apt-get install python$version-venv) or uv, and run this again." >&2
        return 1
    fi
}

# uv has an environment of its own: syncing .venv with the lock would remove it from there.
find_uv() {
    if command -v uv >/dev/null; then
        command -v uv
        return
    fi
    if ! .venv-uv/bin/uv --version >/dev/null 2>&1; then
        "$1" -c 'import ensurepip, venv' 2>/dev/null || install_venv_module "$1"
        "$1" -m venv --clear .venv-uv >&2
        .venv-uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9' >&2
    fi
    echo "$root/.venv-uv/bin/uv"
}

is_ready && exit 0
python=$(find_python)
if [ "${MEDISETTLE_SETUP_LOCKED:-}" != yes ]; then
    # flock(1) is not everywhere, but Python is: it takes the lock and becomes this script again.
    MEDISETTLE_SETUP_LOCKED=yes exec "$python" -c '
import fcntl, os, sys
os.makedirs("var", exist_ok=True)
lock = os.open("var/setup.lock", os.O_WRONLY | os.O_CREAT, 0o644)
os.set_inheritable(lock, True)
fcntl.flock(lock, fcntl.LOCK_EX)
os.execvp("sh", ["sh", "deploy/setup.sh"])
'
fi
echo "Setting up .venv with $python"
uv=$(find_uv "$python")
# Trust what the machine trusts: behind a company's proxy uv's own list of authorities does not do.
export UV_SYSTEM_CERTS=1
rm -f "$stamp"
if ! .venv/bin/python -c '' 2>/dev/null || ! is_new_enough .venv/bin/python; then
    rm -rf .venv
    "$uv" venv --quiet --python "$python" .venv
fi
"$uv" pip sync --quiet --python .venv/bin/python --require-hashes requirements.lock
"$uv" pip install --quiet --python .venv/bin/python --no-deps -e .
echo "$wanted" >"$stamp"
