# SPDX-License-Identifier: Apache-2.0
# tools/guest-tasks: who sleeps where in the guest, seen from the host. The guest goes on as if nothing had been.
# timeout: 60
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1
[ "$(id -u)" = 0 ] || skip "needs root to look into a sandbox"
command -v gdb >/dev/null || skip "needs gdb"

mkfifo in; exec 8<>in
"$UMBRA" do --cpus 2 -- sh -c 'sleep 1000 & read -r line; kill $!; exit "$line"' <in >out 2>err & pid=$!
trap 'kill -9 $pid 2>/dev/null' EXIT
# Until both are there and sleep.
for _ in $(seq 20); do
	list=$("$ROOT/tools/guest-tasks" $pid "$BUILD/guest/penumbra" 2>&1)
	case $list in *" sleeping "*sh*" sleeping "*sleep*) break ;; esac
	sleep 0.2
done
has "$list" "vCPU 1: "
echo "$list" | grep -qE '^ +1 +1 +[01] sleeping +sh .*(vfs_read|sys_read)' || fail "no shell that reads: $list"
echo "$list" | grep -qE ' sleeping +sleep .*nanosleep' || fail "no sleep: $list"
echo 7 >&8
wait $pid; is "status" $? 7
