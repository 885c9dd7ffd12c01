# SPDX-License-Identifier: Apache-2.0
# Umbra builds itself in its own sandbox, and its host unit tests, sanitizers and threads included, pass there.
# timeout: 900
. "$ROOT/tests/prog/lib.sh"
need meson ninja gcc python3

mkdir src && tar -C "$ROOT" --exclude='./build*' --exclude=./.git -cf - . | tar -C src -xf -
cpus=$(nproc)
[ "$cpus" -gt 1 ] || cpus=2

CCACHE_DISABLE=1 "$UMBRA" do --cpus "$cpus" -- sh -c '
	cp -r src /tmp/umbra && cd /tmp/umbra || exit 1
	meson setup build >/tmp/log 2>&1 || { tail -n 20 /tmp/log; exit 1; }
	ninja -C build >/tmp/log 2>&1 || { grep -E -A5 "FAILED|error" /tmp/log | head -n 60; tail -n 5 /tmp/log; exit 1; }
	build/runtime/umbra --help >/dev/null || exit 1
	tests/run -b build unit' >log 2>&1
status=$?
if [ "$status" != 0 ] || ! tail -n 1 log | grep -q '^[1-9][0-9]* passed, 0 failed$'; then
	echo "exit status $status"
	tail -n 60 log
	exit 1
fi
