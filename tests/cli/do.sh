# SPDX-License-Identifier: Apache-2.0
# umbra do and run with the real guest: what a user relies on.
# timeout: 120
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1
chmod 755 "$TMP"

run() { "$UMBRA" do "$@" 2>err; }

# status WANTED COMMAND...
status() { local want=$1; shift; run "$@" >out; local got=$?; [ $got = "$want" ] || fail "$*: status $got, not $want: $(cat out err)"; }

status 0 -- true
status 1 -- false
status 42 -- sh -c 'exit 42'
status 143 -- sh -c 'kill -TERM $$'
status 137 -- sh -c 'kill -KILL $$'
status 139 -- bash -c 'kill -SEGV $$'
status 127 -- no-such-program; grep -q 'no-such-program' err || fail "no sentence about a missing program"
status 126 -- /etc/passwd; grep -q '/etc/passwd' err || fail "no sentence about a file that is no program"
status 127 -- ./missing

# Traces: what is asked for, to stderr. A name that is none is told, before the program runs.
status 0 --strace=getppid,getpid -- sh -c 'true'; grep -q '^sh\[1\] getpp*id() = ' err || fail "no trace: $(cat err)"
grep -q 'execve' err && fail "traced too much: $(cat err)"
status 125 --strace=read,raed,write -- echo ran
is "unknown system call" "$(cat out err)" "umbra: --strace raed: there is no such system call"
status 125 --debug=nonsense -- echo ran; is "sentences about --debug" "$(cat out err | wc -l)" 1

# Files: the current directory is real, the rest is not.
run -- sh -c 'echo inside >made; cat made' >out; is "cat" "$(cat out)" inside
is "written to the current directory" "$(cat made)" inside
if [ "$(id -u)" = 0 ]; then
	run -- sh -c 'echo gone >/etc/umbra-test && cat /etc/umbra-test' >out; is "overlay" "$(cat out)" gone
	[ ! -e /etc/umbra-test ] || fail "the host's /etc was written to"
	run -- sh -c 'rm /etc/passwd; test ! -e /etc/passwd' || fail "whiteout"
	[ -e /etc/passwd ] || fail "the host's /etc/passwd is gone"
fi
is "own /tmp" "$(cd / && run -- ls -A /tmp | wc -l)" 0
is "here" "$(run -- pwd)" "$TMP"
mkdir shown; echo s >shown/f
is "bind" "$(run --bind "$TMP/shown:/mnt/x" -- cat /mnt/x/f)" s
run --bind "$TMP/shown:/mnt/x" -- sh -c 'echo w >/mnt/x/f'; is "bind, written" "$(cat shown/f)" w
run --bind "$TMP/shown:/mnt/x:ro" -- sh -c 'echo z >/mnt/x/f' && fail "wrote to a read-only bind"
is "bind, read-only" "$(cat shown/f)" w
is "bind of a file" "$(run --bind "$TMP/shown/f:/mnt/file:ro" -- cat /mnt/file)" w
run --hide "$TMP/shown" -- cat "$TMP/shown/f" >out && fail "hidden file is there"

# Who and where.
is "uid" "$(run -- id -u)" "$(id -u)"
is "user" "$(run --user 12:34 -- id -u):$(run --user 12:34 -- id -g)" 12:34
is "hostname" "$(run --hostname box -- uname -n)" box
is "cwd" "$(run --cwd /usr -- pwd)" /usr
is "environment" "$(FOO=bar run --env X=y -- sh -c 'echo $FOO $X')" "bar y"
is "arguments" "$(run -- printf '%s|' a '' 'b c' '*')" 'a||b c|*|'
is "cpus" "$(run --cpus 3 -- nproc)" 3
is "umask" "$(umask 027; run -- sh -c umask)" 0027

# --debug counts: 5000 reads and writes are system calls, most of which are not trapped.
run --debug -- dd if=/dev/zero of=/dev/null bs=1 count=5000 status=none || fail "dd"
all=$(sed -n 's/.* \([0-9]*\) system calls$/\1/p' err); trapped=$(sed -n 's/.* \([0-9]*\) trapped system calls.*/\1/p' err)
[ "$all" -ge 10000 ] && [ "$all" -lt 20000 ] && [ "$trapped" -lt 1000 ] || fail "counts: $(cat err)"
run --debug --bind "$BUILD" -- "$BUILD/tests/sys/direct_sites" 1000 || fail "direct_sites: $(cat err)"
trapped=$(sed -n 's/.* \([0-9]*\) trapped system calls.*/\1/p' err)
[ "$trapped" -lt 1000 ] || fail "patched sites trap: $(cat err)"

# Streams.
head -c 3000000 /dev/urandom >in
run -- cat <in >out; cmp in out || fail "file to file"
cat in | run -- cat | cat >out; cmp in out || fail "pipes"
is "stderr" "$("$UMBRA" do -- sh -c 'echo oops >&2' 2>&1 >/dev/null)" oops
{ run -- yes; echo $? >status; } | head -2 >/dev/null; is "SIGPIPE" "$(cat status)" 141
is "unread input stays" "$({ echo one; echo two; } | { run -- true; cat; } | wc -l)" 2
is "no input" "$(run -- cat </dev/null)" ""
status 7 -- sh -c 'exit 7' <&- >&-

# Signals.
"$UMBRA" do -- sh -c 'trap "echo got; exit 5" TERM; echo ready; while :; do sleep 0.1; done' >out 2>&1 & pid=$!
for _ in $(seq 50); do grep -q ready out && break; sleep 0.1; done
kill -TERM $pid; wait $pid; is "status after a trap" $? 5; is "trap" "$(tail -1 out)" got
# A shell starts what is in the background with SIGINT ignored, and that is passed on.
env --default-signal=INT "$UMBRA" do -- sleep 100 & pid=$!; sleep 0.3
kill -INT $pid; wait $pid; is "SIGINT" $? 130
"$UMBRA" do -- sleep 100 & pid=$!; sleep 0.3
kill -KILL $pid; wait $pid 2>/dev/null

# A root of one's own, written to.
mkdir -p root/bin root/lib root/lib64 root/proc root/dev root/sys
for f in /bin/sh /bin/cat $(ldd /bin/sh /bin/cat | grep -o '/[^ ]*\.so[^ ]*' | sort -u); do
	mkdir -p "root$(dirname "$f")"; cp -L "$f" "root$f"
done
is "run" "$("$UMBRA" run --rootfs root -- /bin/sh -c 'echo kept >/file; cat /file; cd /; echo *')" "kept
bin dev file lib lib64 proc sys"
is "kept" "$(cat root/file)" kept
is "do, with a root" "$("$UMBRA" do --rootfs root -- /bin/sh -c 'echo lost >/file; cat /file')" lost
is "still kept" "$(cat root/file)" kept
