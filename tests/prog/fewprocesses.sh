# SPDX-License-Identifier: Apache-2.0
# Where the host allows few processes the sandbox takes turns with those it has; its programs notice nothing.
# timeout: 120
. "$ROOT/tests/cli/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root to become somebody else"
cd "$TMP" || exit 1
chmod 755 "$TMP"; mkdir home; cp "$UMBRA" umbra; chown 1239:1239 home; cd home || exit 1
as() { setpriv --reuid 1239 --regid 1239 --clear-groups "$@"; }

as ../umbra do -- true || skip "no sandboxes without root here"
# The guest counts by the same limit: two processes for each child here. On the host each is a process and a thread or more.
for limit in 40 60; do
	n=$((limit / 3))
	(ulimit -u $limit; as timeout 60 ../umbra do --cpus 2 -- bash -c "
		for i in \$(seq $n); do (for k in 1 2 3; do sleep 0.05; done; echo done) & done
		wait; echo all") >out 2>&1
	is "exit status ($limit processes)" $? 0
	is "children ($limit processes)" "$(grep -c '^done$' out)" $n
	[ "$(wc -l <out)" = $((n + 1)) ] || fail "output ($limit processes): $(grep -v '^done$' out)"
done
(ulimit -u 6; as timeout 60 ../umbra do --cpus 2 -- true) >out 2>&1
status=$?
[ $status = 0 ] || [ $status = 125 ] || fail "6 processes: $status"
[ $status = 0 ] || is "lines ($(cat out))" "$(wc -l <out)" 1
