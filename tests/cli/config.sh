# SPDX-License-Identifier: Apache-2.0
# What the guest is told: mounts, environment, identity.
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1

config() { fake do "$@" -- config a "b c"; }
line() { grep -qxF -- "$1" out || fail "no line '$1' in: $(cat out)"; }
no_line() { ! grep -q -- "$1" out || fail "there is '$1'"; }

mkdir -p "a:b"; touch file
FOO=bar config --env X=1 --env FOO --env HOME=/x --hostname box --user 12:34 --cwd /etc --hide /root \
	--bind "$TMP/file:/f:ro" --bind "$TMP:/t" --cpus 2 --memory 64M --strace=read >out 2>/dev/null || fail "status"
line "arg=config"; line "arg=a"; line "arg=b c"
line "env=X=1"; line "env=FOO=bar"; line "env=HOME=/x"
is "one HOME" "$(grep -c '^env=HOME=' out)" 1
line "uid=12"; line "gid=34"; line "hostname=box"; line "cwd=/etc"; line "hide=/root"; line "strace=read"
line "mount=overlay:root:/:"; line "mount=export:b0:/f:ro"; line "mount=export:b1:/t:"
line "mount=proc::/proc:nosuid,nodev,noexec"
grep -q '^export=[0-9]*:ro:root$' out || fail "root is not read-only"
grep -q '^export=[0-9]*:ro:b0$' out || fail "b0 is not read-only"
grep -q '^export=[0-9]*:rw:b1$' out || fail "b1 is not writable"
is "rlimits" "$(grep -c '^rlimit=' out)" 16

# The current directory: itself where that makes sense.
config >out; line "cwd=$TMP"; line "mount=export:cwd:$TMP:"
cd "a:b" && config >../out && cd .. ; line "cwd=$TMP/a:b"; line "mount=export:cwd:$TMP/a\\072b:"
cd / && config >"$TMP/out" && cd "$TMP"; line "cwd=/"; no_line "mount=export:cwd"
cd /proc/self && config >"$TMP/out"; cd "$TMP"; line "cwd=/"; no_line "mount=export:cwd"
cd /tmp && config >"$TMP/out"; cd "$TMP"; line "cwd=/tmp"; no_line "mount=export:cwd"

# A root of one's own: written to directly, no host mounts, own /tmp.
mkdir root
fake run --rootfs root config >out; line "mount=export:root:/:"; line "cwd=/"; no_line "tmpfs::/tmp"
line "hostname=umbra"
fake do --rootfs root config >out; line "mount=overlay:root:/:"; no_line "mount=export:cwd"

# Too much of it is an error, not a truncation.
big=$(head -c 100000 /dev/zero | tr '\0' x)
out=$(fake do exit 0 "$big" "$big" "$big" "$big" "$big" "$big" 2>&1); is "too big" $? 125
has "$out" "so many arguments"
