#!/bin/sh
# Chromium and Chinese fonts for the browser tests, by apt where that is allowed. Never fails: those tests skip without.
set -u

has_browser() {
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null && "$name" --version >/dev/null 2>&1 && return 0
    done
    return 1
}

has_fonts() {
    [ -n "$(fc-list :lang=zh family 2>/dev/null)" ]
}

has_browser && has_fonts && exit 0
if ! command -v apt-get >/dev/null; then
    echo "The browser tests will skip: Chromium or Chinese fonts are missing, and there is no apt-get to install them."
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "The browser tests will skip: as root, run apt-get install chromium fontconfig fonts-noto-cjk."
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
options="-qq -o Acquire::Retries=1 -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=120"
echo "Installing Chromium and Chinese fonts"
# shellcheck disable=SC2086
timeout 120 apt-get $options update </dev/null >/dev/null 2>&1
# shellcheck disable=SC2086
timeout 600 apt-get $options install -y --no-install-recommends chromium fontconfig fonts-noto-cjk </dev/null >/dev/null 2>&1
if ! has_browser || ! has_fonts; then
    echo "The browser tests will skip: apt-get could not install Chromium and Chinese fonts."
fi
exit 0
