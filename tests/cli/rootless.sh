# SPDX-License-Identifier: Apache-2.0
# Without root: own user namespace, own ids, no capabilities.
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1
[ "$(id -u)" = 0 ] || skip "needs root to become somebody else"

chmod 755 "$TMP"; cp "$FAKE" umbra; cp "$BUILD/tests/fake/fake-kernel" kernel; mkdir home; chown 1234:1234 home; cd home
as() { setpriv --reuid 1234 --regid 1234 --clear-groups ../umbra do --kernel ../kernel "$@"; }

as exit 0 || [ "$(cat /proc/sys/user/max_user_namespaces)" != 0 ] || skip "no user namespaces here"
as exit 9; is "status" $? 9
as config >out
grep -qx uid=1234 out || fail "uid"
grep -qx gid=1234 out || fail "gid"
as wait >out & launcher=$!
for _ in $(seq 50); do grep -q waiting out && break; sleep 0.1; done
launcher=$(pgrep -P $launcher -x umbra || echo $launcher)
vmm=$(tr -d ' ' <"/proc/$launcher/task/$launcher/children")
is "capabilities" "$(awk '/^CapEff/ {print $2}' "/proc/$vmm/status")" 0000000000000000
[ "$(readlink /proc/self/ns/user)" != "$(readlink "/proc/$vmm/ns/user")" ] || fail "shares the user namespace"
is "ids" "$(awk '{print $1, $2, $3}' "/proc/$vmm/uid_map")" "1234 1234 1"
kill $launcher
