# SPDX-License-Identifier: Apache-2.0
# The VMM's walls, seen from the host while a sandbox runs.
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1
[ "$(id -u)" = 0 ] || skip "needs root to look into the VMM"

exec 7</etc/passwd
"$FAKE" do --kernel "$BUILD/tests/fake/fake-kernel" wait >out 2>err & launcher=$!
for _ in $(seq 50); do grep -q waiting out && break; sleep 0.1; done
vmm=$(tr -d ' ' <"/proc/$launcher/task/$launcher/children")
[ -n "$vmm" ] || fail "no VMM"
trap 'kill -9 $launcher' EXIT

for ns in mnt pid net ipc uts; do
	[ "$(readlink /proc/self/ns/$ns)" != "$(readlink "/proc/$vmm/ns/$ns")" ] || fail "shares the $ns namespace"
done
is "its pid inside" "$(awk '/^NSpid/ {print $3}' "/proc/$vmm/status")" 1
is "no new privileges" "$(awk '/^NoNewPrivs/ {print $2}' "/proc/$vmm/status")" 1
is "seccomp" "$(awk '/^Seccomp:/ {print $2}' "/proc/$vmm/status")" 2
for task in /proc/$vmm/task/*; do
	is "seccomp of $(cat $task/comm)" "$(awk '/^Seccomp:/ {print $2}' $task/status)" 2
	# CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID: the current directory is writable.
	is "capabilities" "$(awk '/^CapEff/ {print $2}' $task/status)" 000000000000001f
	is "permitted capabilities" "$(awk '/^CapPrm/ {print $2}' $task/status)" 000000000000001f
done
is "empty root" "$(ls -A "/proc/$vmm/root/" 2>/dev/null | wc -l)" 0
is "one mount" "$(wc -l <"/proc/$vmm/mountinfo")" 1
ls -l "/proc/$vmm/fd" | grep -q passwd && fail "inherited a descriptor"
is "core limit" "$(awk '/core file/ {print $5}' "/proc/$vmm/limits")" 0

# The host's kernel itself refuses writes to what is exported read-only: of all directories held, only the current one can be
# written to.
writable=0
for fd in /proc/$vmm/fd/*; do
	[ -d "$fd" ] || continue
	if touch "$fd/umbra-jail-test" 2>/dev/null; then
		writable=$((writable + 1))
		[ -e "$TMP/umbra-jail-test" ] || fail "could write to $(readlink "$fd")"
	fi
done
is "writable directories" $writable 1
