# SPDX-License-Identifier: Apache-2.0
# Programs that take all memory or all processes of a small sandbox: who took it is killed, and the sandbox goes on.
# timeout: 300
. "$ROOT/tests/prog/lib.sh"

bomb=$BUILD/tests/hostile/bomb

# run CPUS COMMAND...: in a sandbox with little memory
run() {
	local cpus=$1
	shift
	timeout -k 5 100 "$UMBRA" do --cpus "$cpus" --memory 64M --bind "$BUILD:$BUILD:ro" -- "$@" 2>err </dev/null
}

# check NAME WANTED GOT
check() {
	[ "$2" = "$3" ] && return
	echo "FAIL: $1: got '$3', not '$2'; $(tail -n 3 err)"
	failures=$((failures + 1))
}

# Killed, and what comes after it in the same shell works.
for what in heap memfd tables shared pipes sockets; do
	check "$what" "137 100000" "$(run 2 sh -c "$bomb $what; echo \$? \$(head -c 100000 /dev/zero | wc -c)")"
done
check dmesg yes "$(run 1 sh -c "$bomb heap; dmesg | grep -q 'out of memory: killing process' && echo yes")"
# As much as one file system may have, and no more.
check file "No space left on device" "$(run 2 "$bomb" file)"
for cpus in 1 4; do
	check "heaps, $cpus vCPUs" 0 "$(run $cpus sh -c "$bomb heaps 4; echo \$?")"
	check "bash, $cpus vCPUs" alive "$(run $cpus "$bomb" guard 2 bash -c ':(){ :|:& };:')"
done
check "fork" alive "$(run 2 "$bomb" guard 2 "$bomb" forks)"
finish
