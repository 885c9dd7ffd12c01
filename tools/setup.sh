#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing need from Debian's packages. Does nothing, quickly, when it is all there.
# usage: tools/setup.sh [check]      check: also what tests of real programs want; they are skipped where it is missing
set -e

packages="gcc binutils libc6-dev libcmocka-dev meson ninja-build pkg-config python3"

if [ "$1" = check ] && [ "$(id -u)" = 0 ] && grep -q "^VERSION_CODENAME=bookworm" /etc/os-release 2>/dev/null; then
	packages="$packages gdb libpython3.11-testsuite nano sqlite3 xz-utils"
fi

missing=
for p in $packages; do
	case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) in
	*" installed") ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "setup: not a Debian system; install by hand:$missing" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "setup: missing packages; run: sudo apt-get install$missing" >&2
	exit 1
fi
echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 || {
	apt-get update >/dev/null
	apt-get install -y --no-install-recommends $missing >/dev/null
}
