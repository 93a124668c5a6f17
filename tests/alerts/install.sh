#!/bin/sh
# promtool, of Debian's package prometheus; nothing is done where it is.
set -eu
command -v promtool >/dev/null && exit 0
apt-get update -q
apt-get install -qy --no-install-recommends prometheus
