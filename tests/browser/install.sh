#!/bin/sh
# Debian's own Chromium with its driver and a Chinese font; nothing is done where they are.
set -eu
command -v chromedriver >/dev/null && command -v chromium >/dev/null && exit 0
apt-get update -q
apt-get install -qy --no-install-recommends chromium chromium-driver fonts-noto-cjk
