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

# The number of processes is bounded in its PID namespace, and only there.
if [ "$(printf '%s\n' 6.14 "$(uname -r)" | sort -V | head -1)" = 6.14 ]; then
	host=$(cat /proc/sys/kernel/pid_max)
	inside=$(nsenter -t "$vmm" -p sh -c 'cat /proc/sys/kernel/pid_max')
	[ "$inside" -lt 10000 ] || fail "as many processes as $inside"
	[ "$host" -gt "$inside" ] || fail "the host's own limit was changed"
fi

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

# No descriptor leads to the host's /proc, not by "..": only the VMM's own descriptors are there.
for fd in /proc/$vmm/fd/*; do
	[ -d "$fd" ] || continue
	[ ! -e "$fd/../../sys/kernel" ] && [ ! -e "$fd/../../1/cmdline" ] || fail "$(readlink "$fd") leads to the host's /proc"
done

# With the real guest: every thread of the VMM is filtered, and the processes that run guest code have no capability and two
# descriptors.
[ -n "${UMBRA:-}" ] || exit 0
"$UMBRA" do -- sh -c 'echo up; sleep 10' >real 2>&1 & real=$!
trap 'kill -9 $launcher $real' EXIT
for _ in $(seq 50); do grep -q up real && break; sleep 0.1; done
vmm=$(tr -d ' ' <"/proc/$real/task/$real/children")
for task in /proc/$vmm/task/*; do
	is "seccomp of a VMM's thread" "$(awk '/^Seccomp:/ {print $2}' $task/status)" 2
done
spaces=0
for space in $(cat "/proc/$vmm/task/$vmm/children"); do
	is "seccomp of a space" "$(awk '/^Seccomp:/ {print $2}' /proc/$space/status)" 2
	is "capabilities of a space" "$(awk '/^CapPrm/ {print $2}' /proc/$space/status)" 0000000000000000
	is "descriptors of a space" "$(ls /proc/$space/fd | wc -l)" 2
	spaces=$((spaces + 1))
done
[ $spaces -gt 1 ] || fail "no spaces to look at"
