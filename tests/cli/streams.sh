# SPDX-License-Identifier: Apache-2.0
# stdin, stdout and stderr as files, pipes, sockets and nothing at all.
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
