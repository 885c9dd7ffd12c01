# SPDX-License-Identifier: Apache-2.0
# Signals reach the guest once; nothing outlives a killed launcher or VMM.
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1

wait_for_line() { for _ in $(seq 50); do grep -qs "$1" out && return; sleep 0.1; done; fail "no '$1' in: $(cat out)"; }
gone() { for _ in $(seq 50); do [ -d "/proc/$1" ] || return 0; sleep 0.1; done; fail "process $1 is still there"; }
# What an earlier one has said must not be taken for its word.
start() { rm -f out; "$FAKE" do --kernel "$BUILD/tests/fake/fake-kernel" wait >out 2>err & launcher=$!; wait_for_line waiting; }
vmm() { cat "/proc/$launcher/task/$launcher/children" | tr -d ' '; }

start
kill -USR1 $launcher; wait_for_line "signal 10"
kill -HUP $launcher; wait_for_line "signal 1$"
kill -TERM $launcher
wait $launcher; is "status after SIGTERM" $? 0
is "each once" "$(grep -c signal out)" 3

start; v=$(vmm); [ -n "$v" ] || fail "no VMM"
kill -KILL $launcher; wait $launcher 2>/dev/null
gone "$v"

start; v=$(vmm)
kill -KILL "$v"
wait $launcher; is "status after a killed VMM" $? 125
has "$(cat err)" "killed by signal 9"

# Ctrl-C on a terminal: once, as from the terminal.
python3 - "$FAKE" "$BUILD/tests/fake/fake-kernel" <<'PY' || fail "Ctrl-C"
import os, pty, sys, time, select
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "do", "--kernel", sys.argv[2], "wait"])
seen = b""
def until(text):
    global seen
    end = time.time() + 5
    while text not in seen:
        if time.time() > end or not select.select([fd], [], [], 5)[0]:
            sys.exit(f"no {text!r} in {seen!r}")
        seen += os.read(fd, 1000)
until(b"waiting")
os.write(fd, b"\x03")
until(b"signal 2")
time.sleep(0.2)
os.kill(pid, 15)
until(b"signal 15")
assert seen.count(b"signal 2") == 1, seen
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
PY
