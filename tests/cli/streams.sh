# SPDX-License-Identifier: Apache-2.0
# stdin, stdout and stderr as files, pipes, sockets and nothing at all.
# timeout: 90
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1

is "stdout" "$(fake do echo hello 2>/dev/null)" hello
is "stderr" "$(fake do err hello 2>&1 >/dev/null)" hello

head -c 1000000 /dev/urandom >in
fake do cat <in >out && cmp in out || fail "file to file"
cat in | fake do cat | cat >out; cmp in out || fail "pipe to pipe"
{ echo one; echo two; } >append
echo three | fake do cat >>append
is "appending" "$(tail -1 append)" three
is "no stdin" "$(fake do cat </dev/null)" ""
is "closed stdin" "$(fake do cat <&-)" ""
fake do echo x >&- || fail "closed stdout"
fake do exit 5 <&- >&- 2>&-; is "all closed" $? 5

# A reader that goes away breaks the stream, and only that.
{ fake do yes; echo $? >status; } | head -c 10 >/dev/null
is "broken pipe" "$(cat status)" 3

# Output that is still on its way when the program ends reaches a slow reader.
fake do cat <in | { sleep 0.3; cat; } >out; cmp in out || fail "slow reader"

# A stream the program closes is closed for its reader, though the sandbox lives on.
coproc SANDBOX { exec "$FAKE" do --kernel "$BUILD/tests/fake/fake-kernel" close; }
timeout 5 cat <&"${SANDBOX[0]}" || fail "stdout is still open"
kill -TERM "$SANDBOX_PID"; wait "$SANDBOX_PID"

# The user's own descriptors stay blocking.
fake do cat <in | python3 -c '
import fcntl, os, sys
assert not fcntl.fcntl(0, fcntl.F_GETFL) & os.O_NONBLOCK
sys.stdin.buffer.read()' || fail "O_NONBLOCK leaked"

[ -n "${UMBRA:-}" ] || exit 0
u() { "$UMBRA" do -- "$@"; }

# What comes of writing to a file is told to the program that writes.
u sh -c '/bin/echo lost || /bin/echo "status $?" >&2' >/dev/full 2>err
is "full disk" "$(cat err)" "/bin/echo: write error: No space left on device
status 1"
# Streams that are not there are not there in the sandbox.
is "no stdin" "$(u sh -c 'cat 2>/dev/null || echo $?' <&-)" 1
is "no stdout" "$(u sh -c '/bin/echo x 2>/dev/null; echo $? >&2' 2>&1 >&-)" 1
u sh -c '[ ! -e /proc/self/fd/2 ] && exit 6' <&- >&- 2>&-; is "no streams" $? 6

# Who ignores SIGPIPE gets EPIPE; the rest dies.
{ u yes; echo $? >status; } | head -1 >/dev/null; is "SIGPIPE" "$(cat status)" 141
(trap '' PIPE; { u yes 2>err; echo $? >status; } | head -1 >/dev/null)
is "SIGPIPE ignored" "$(cat status err)" "1
yes: standard output: Broken pipe"
is "in the sandbox" "$(u bash -c 'yes | head -1; echo ${PIPESTATUS[0]}')" "y
141"
is "nohup" "$(nohup "$UMBRA" do -- sh -c 'kill -HUP $$; echo alive' 2>/dev/null </dev/null | cat)" alive

# stdin that is not read stays where it is; a file can grow while it is read.
printf '1\n2\n3\n' | { while read -r line; do u true; echo "$line"; done; } >out; is "unread" "$(echo $(cat out))" "1 2 3"
echo one >grows
u sh -c 'read -r a; touch ready; while ! read -r b; do sleep 0.05; done; echo $a $b' <grows >out & pid=$!
for _ in $(seq 100); do [ -e ready ] && break; sleep 0.05; done
echo two >>grows; wait $pid; is "growing stdin" "$(cat out)" "one two"

# Much, with all kinds of ends.
head -c 20000000 /dev/urandom >in; sum=$(md5sum <in)
is "pipe to pipe" "$(cat in | u cat | md5sum)" "$sum"
is "file to program" "$(u md5sum <in)" "$sum"
u cat <in >out; is "file to file" "$(md5sum <out)" "$sum"
is "stderr" "$(cat in | u sh -c 'cat >&2' 2>&1 >/dev/null | md5sum)" "$sum"
python3 - "$UMBRA" in <<'PY' || fail "sockets or non-blocking pipes"
import fcntl, os, socket, subprocess, sys, threading
umbra, data = sys.argv[1], open(sys.argv[2], "rb").read(3000000)
# A socket both ways, shut down on one side only.
ours, theirs = socket.socketpair()
p = subprocess.Popen([umbra, "do", "--", "cat"], stdin=theirs, stdout=theirs)
theirs.close()
def feed():
    ours.sendall(data)
    ours.shutdown(socket.SHUT_WR)
threading.Thread(target=feed).start()
got = b"".join(iter(lambda: ours.recv(65536), b""))
assert got == data and p.wait() == 0, (len(got), p.wait())
# Pipes that their owner has made non-blocking.
(r, w), (r2, w2) = os.pipe(), os.pipe()
for fd in r, w2:
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)
p = subprocess.Popen([umbra, "do", "--", "cat"], stdin=r, stdout=w2)
os.close(w2)
threading.Thread(target=lambda: (open(w, "wb", closefd=True).write(data))).start()
got = open(r2, "rb").read()
assert got == data and p.wait() == 0, (len(got), p.wait())
assert fcntl.fcntl(r, fcntl.F_GETFL) & os.O_NONBLOCK
PY
rm -f in out

# No environment, no directory.
is "empty environment" "$(env -i "$UMBRA" do -- /usr/bin/env)" ""
mkdir gone; cd gone; rmdir ../gone
is "no directory" "$(u pwd 2>&1)" "umbra: warning: the current directory is gone or out of reach: starting in /
/"
