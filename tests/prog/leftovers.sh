# SPDX-License-Identifier: Apache-2.0
# What programs leave behind: nothing in the sandbox's memory once they are gone, nothing on the host once the sandbox is.
# timeout: 300
. "$ROOT/tests/prog/lib.sh"
need perl

host_state() { cat /proc/self/mounts; ls -A /dev/shm 2>/dev/null; }

# Prints how many kB are used, caches dropped, each time some hundred programs have come and gone.
cat > many.sh <<'E2'
used() {
	sync; echo 3 > /proc/sys/vm/drop_caches
	awk '/^MemTotal/ { t = $2 } /^MemFree/ { f = $2 } /^Slab/ { s = $2 } END { print t - f, s }' /proc/meminfo
}
round() {
	local i
	for i in $(seq 20); do
		ls -l /usr/bin | sort -r | head -n 1; (sleep 0.001 & wait); diff <(echo a) <(echo b)
		mkdir -p q/a; echo x > q/a/f; mv q/a/f q/a/g; ln -s g q/a/h; rm -r q
		perl -e 'pipe(R, W); if (!fork) { print W "x" x 70000; exit } close W; local $/; $a = <R>; wait'
		sh -c 'kill -9 $$'; setsid true; cat /proc/$$/maps /proc/self/status; dd if=/dev/zero of=big bs=1M count=4; rm big
	done >/dev/null 2>&1
}
cd /tmp; round; used; round; round; used; round; round; used
E2
for cpus in ${CPUS:-1 2}; do
	before=$(host_state)
	"$UMBRA" do --user 0 --cpus $cpus --memory 1G -- bash many.sh > out 2>&1 || { echo "FAIL: many programs (--cpus $cpus)"; cat out; failures=1; }
	# Growth in both halves by more than caches of the allocators explain.
	awk -v cpus=$cpus '{ u[NR] = $1; s[NR] = $2 } END {
		if (NR != 3) bad = "output"
		if (u[2] - u[1] > 700 && u[3] - u[2] > 700) bad = "memory"
		if (s[2] - s[1] > 100 && s[3] - s[2] > 100) bad = "slab"
		if (bad) { print "FAIL: " bad " (--cpus " cpus ")"; exit 1 } }' out || { cat out; failures=1; }
	after=$(host_state)
	[ "$before" = "$after" ] || { echo "FAIL: left on the host (--cpus $cpus)"; diff <(echo "$before") <(echo "$after"); failures=1; }
done
finish
