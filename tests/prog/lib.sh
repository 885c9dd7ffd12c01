# SPDX-License-Identifier: Apache-2.0
# For tests of real programs: the same script runs natively and in sandboxes; output and exit status must agree.

set -u
failures=0

# both NAME SCRIPT: runs SCRIPT with bash in an empty directory: natively, then in a sandbox with one and with two vCPUs (or as many
# as CPUS lists).
both() {
	local name=$1 script=$2 want want_status got status cpus
	rm -rf work && mkdir work
	want=$(cd work && bash -c "$script" 2>&1 </dev/null)
	want_status=$?
	for cpus in ${CPUS:-1 2}; do
		rm -rf work && mkdir work
		got=$(cd work && timeout 120 "$UMBRA" do --cpus $cpus ${BIND:-} -- bash -c "$script" 2>&1 </dev/null)
		status=$?
		[ -z "${VERBOSE-}" ] || echo "$name, --cpus $cpus: $SECONDS s so far"
		if [ "$status" != "$want_status" ] || [ "$got" != "$want" ]; then
			echo "FAIL: $name (--cpus $cpus): exit status $status, natively $want_status"
			diff <(printf '%s\n' "$want") <(printf '%s\n' "$got") | head -20
			failures=$((failures + 1))
		fi
	done
}

need() {
	local p
	for p; do
		command -v "$p" >/dev/null || { echo "$p is not installed"; exit 77; }
	done
}

finish() {
	[ "$failures" = 0 ] || exit 1
}
