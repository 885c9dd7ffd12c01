# SPDX-License-Identifier: Apache-2.0
# Files that host and sandbox both use: who sees what, and when; locks; what a sandbox must never see.
# timeout: 120
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1
chmod 755 "$TMP"

run() { "$UMBRA" do "$@" 2>err; }
# await FILE: until it is there
await() { for _ in $(seq 100); do [ -e "$1" ] && return; sleep 0.05; done; fail "no $1 after 5 s: $(cat err out)"; }

# What a program has closed is on the host, whether or not the sandbox goes on.
run -- sh -c 'echo first >a; head -c 100000 /dev/zero >b; touch ready; while [ ! -e go ]; do sleep 0.05; done; cat new; cat a' >out & pid=$!
await ready
is "written and closed" "$(cat a)" first
is "size" "$(stat -c %s b)" 100000
# What the host changes is seen within a second or so.
echo "from the host" >new
echo second >a.new; mv a.new a
sleep 1.2; touch go
wait $pid; is "status" $? 0
is "host's changes" "$(cat out)" "from the host
second"
rm -f ready go new

# In place: pages in the cache are dropped when the file has changed.
seq 1 20000 >big; touch -d '2020-01-01' big
run -- sh -c 'md5sum <big; touch ready; while [ ! -e go ]; do sleep 0.05; done; md5sum <big' >out & pid=$!
await ready
before=$(md5sum <big)
printf 'XXXX' | dd of=big conv=notrunc bs=1 seek=50000 2>/dev/null
after=$(md5sum <big)
sleep 1.2; touch go
wait $pid; is "changed in place" "$(cat out)" "$before
$after"
rm -f ready go

# A file that is replaced on the host stays readable where it is open.
seq 1 300000 >replaced; old=$(md5sum <replaced)
run -- sh -c 'exec 3<replaced; read -r line <&3; touch ready; while [ ! -e go ]; do sleep 0.05; done; { echo "$line"; cat <&3; } | md5sum' >out & pid=$!
await ready
echo other >replaced.new; mv replaced.new replaced
touch go; wait $pid
is "replaced while open" "$(cat out)" "$old"
rm -f ready go

# That holds for one that nobody has read yet. And what is then written under the name goes to the file that has it now.
echo old >replaced
run -- sh -c 'exec 3<replaced; touch ready; while [ ! -e go ]; do sleep 0.05; done; cat <&3; echo more >>replaced' >out & pid=$!
await ready
echo new >replaced.new; mv replaced.new replaced
touch go; wait $pid; is "status" $? 0
is "replaced before it was read" "$(cat out)" old
is "written to the new one" "$(cat replaced)" "new
more"
rm -f ready go

# shared: at once, and locks count on both sides.
mkdir shared; echo 1 >shared/f
run --bind "$TMP/shared:/s:shared" -- sh -c '
	cat /s/f; : >/s/ready; while [ ! -e /s/go ]; do :; done; cat /s/f
	flock -n /s/f true || echo busy; : >/s/tried
	flock /s/f sh -c ": >/s/held; while [ ! -e /s/done ]; do :; done"' >out & pid=$!
await shared/ready
exec 9<shared/f; flock 9
echo 2 >shared/f; touch shared/go
await shared/tried
[ ! -e shared/held ] || fail "both have the lock"
exec 9<&-
await shared/held
flock -n shared/f true && fail "the sandbox's lock does not count on the host"
touch shared/done; wait $pid
is "shared" "$(cat out)" "1
2
busy"
flock -n shared/f true || fail "the lock outlives the sandbox"

# The kernel's own trees below an exported "/" are not there, and cannot be exported.
run --bind /:/x -- sh -c 'ls -d /x/proc/[0-9]* /x/proc/self /x/sys/kernel 2>/dev/null' && fail "host's proc through a bind"
run --bind /:/x -- cat /x/proc/1/environ >out && fail "read the host's /proc"
run --bind /proc:/x -- true && fail "exported proc"
run --bind /sys:/x -- true && fail "exported sysfs"

# Devices and sockets of the host are names only.
mkfifo pipe
is "a FIFO is the sandbox's own" "$(run -- sh -c 'echo through >pipe & cat pipe')" through
run -- mknod null c 1 3 && fail "made a device on the host"

# A tree as deep and as wide as programs make them.
run -- sh -c 'mkdir -p t/1/2/3/4/5/6/7/8/9; for i in $(seq 300); do echo $i >t/1/2/3/$i; done; mv t/1 t/one; cp -r t u; rm -r t; tar cf u.tar u; rm -r u' ||
	fail "tree: $(cat err)"
is "tree" "$(tar tf u.tar | wc -l):$(tar xOf u.tar u/one/2/3/277)" 309:277
rm -rf -- *
