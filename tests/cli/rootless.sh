# SPDX-License-Identifier: Apache-2.0
# Without root: own user namespace, own ids, no capabilities.
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1
[ "$(id -u)" = 0 ] || skip "needs root to become somebody else"

chmod 755 "$TMP"; cp "$FAKE" umbra; cp "$BUILD/tests/fake/fake-kernel" kernel; mkdir home; chown 1234:1234 home; cd home
as() { setpriv --reuid 1234 --regid 1234 --clear-groups ../umbra do --kernel ../kernel "$@"; }

as exit 0 || ! setpriv --reuid 1234 --regid 1234 --clear-groups unshare -U true 2>/dev/null || fail "no sandbox"
setpriv --reuid 1234 --regid 1234 --clear-groups unshare -U true 2>/dev/null || skip "no user namespaces here"
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

# Permissions of a host directory are those the user has: listing needs r, names need x.
cp "$UMBRA" ../real
cat >modes <<'END'
mkdir d; echo x >d/f
for mode in 600 400 300 100 000; do
	chmod $mode d; stat -c %a d; ls d 2>&1; cat d/f 2>&1; touch d/new 2>&1; rm -f d/new 2>&1
done
chmod 700 d; rm -r d
echo a >f; chmod 000 f; cat f 2>&1; chmod 400 f; cat f; { echo b >>f; } 2>&1; rm -f f
END
user() { setpriv --reuid 1234 --regid 1234 --clear-groups "$@"; }
export LC_ALL=C
user bash ./modes >../native 2>&1
user ../real do -- bash ./modes >../sandbox 2>&1 </dev/null; is "modes: status" $? 0
diff ../native ../sandbox >../diff || fail "modes: $(cat ../diff)"
