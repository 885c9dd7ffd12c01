# SPDX-License-Identifier: Apache-2.0
# Hosts that lack something: one line that says what, status 125. What is missing is taken away by a filter of system calls, by
# namespaces, by a limit, by a changed auxiliary vector.
# timeout: 60
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1
chmod 755 .
[ -n "${UMBRA:-}" ] || skip "needs the guest kernel"

cat >without.py <<'PY'
"""without.py CALL:ERRNO... -- COMMAND: runs COMMAND where these system calls fail. "ns" is what a container's default profile has."""
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def insn(code, k, jt=0, jf=0):
    return struct.pack("HBBI", code, jt, jf, k)
def deny(nr, err):
    return insn(0x20, 0) + insn(0x15, nr, 0, 1) + insn(6, 0x50000 | err)
words, prog = sys.argv[1:sys.argv.index("--")], b""
for word in words:
    if word == "ns":
        prog += insn(0x20, 0) + insn(0x15, 56, 0, 3) + insn(0x20, 16) + insn(0x45, 0x7E020000, 0, 1) + insn(6, 0x50001)
        for nr, err in (435, 38), (272, 1), (165, 1), (155, 1), (308, 1), (428, 1), (429, 1), (442, 1):
            prog += deny(nr, err)
    else:
        prog += deny(*map(int, word.split(":")))
prog += insn(6, 0x7FFF0000)
buf = ctypes.create_string_buffer(prog)
fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(prog) // 8, ctypes.addressof(buf)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, fprog, 0, 0) == 0
argv = sys.argv[sys.argv.index("--") + 1:]
os.execv(argv[0], argv)
PY
# without CALL:ERRNO... : status and message of umbra
without() { python3 without.py "$@" -- "$UMBRA" do -- true >out 2>&1; echo "$? $(cat out)"; }

has "$(without ns)" "125 umbra: cannot create namespaces: not permitted here; "
has "$(without 319:38)" "125 umbra: cannot reserve "		# memfd_create
has "$(cat out)" "Function not implemented (the kernel is older than 5.11, or a container's seccomp profile forbids it)"
has "$(without 317:38)" "125 umbra: this host cannot run sandboxes: seccomp filters are not available"
has "$(without 436:38)" "125 umbra: this host cannot run sandboxes: close_range() is not available"
has "$(without 437:38)" "125 umbra: cannot make the file server: Function not implemented (the kernel is older"
has "$(without 165:1)" "125 umbra: cannot "			# mount
is "mount API of Linux 5.2 and 5.12" "$(without 428:38 442:38)" "0 "

# No FSGSBASE: AT_HWCAP2 says so, here to the program alone.
cat >nofsgsbase.py <<'PY'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
pid = os.fork()
if pid == 0:
    libc.ptrace(0, 0, None, None)  # PTRACE_TRACEME
    os.execv(sys.argv[1], sys.argv[1:])
os.waitpid(pid, 0)  # stopped after exec
regs = ctypes.create_string_buffer(27 * 8)
libc.ptrace(12, pid, None, ctypes.cast(regs, ctypes.c_void_p))  # PTRACE_GETREGS
sp = struct.unpack_from("Q", regs.raw, 19 * 8)[0]
mem = open(f"/proc/{pid}/mem", "r+b", buffering=0)
def word(at):
    mem.seek(at)
    return struct.unpack("Q", mem.read(8))[0]
at = sp + 8 * (word(sp) + 2)  # argc, argv, NULL
while word(at):
    at += 8
at += 8
while word(at):
    if word(at) == 26:  # AT_HWCAP2
        value = word(at + 8) & ~2
        mem.seek(at + 8)
        mem.write(struct.pack("Q", value))
    at += 16
libc.ptrace(17, pid, None, None)  # PTRACE_DETACH
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
python3 nofsgsbase.py "$UMBRA" do -- true >out 2>&1; is "no FSGSBASE" $? 125
has "$(cat out)" "umbra: this host cannot run sandboxes: the processor or kernel lacks FSGSBASE: "
python3 nofsgsbase.py "$UMBRA" doctor >out; is "doctor without FSGSBASE" $? 1
has "$(cat out)" "MISSING  FSGSBASE"

# As root of a user namespace, in one inside it, and where no more of them may be made.
if unshare -Ur true 2>/dev/null; then
	is "user namespace" "$(unshare -Ur "$UMBRA" do -- id -u)" 0
	is "nested" "$(unshare -Ur unshare -Ur "$UMBRA" do -- id -u)" 0
	is "nested, with mounts and processes" "$(unshare -Urmpf --mount-proc "$UMBRA" do -- sh -c 'echo $$')" 1
	has "$(unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_net_namespaces && "$UMBRA" do -- true' 2>&1; echo $?)" \
		"umbra: cannot create namespaces: the limit of user.max_*_namespaces is reached"
	has "$(unshare -Urm sh -c 'mount -t tmpfs none /proc && "$UMBRA" do -- true' 2>&1; echo $?)" \
		"umbra: cannot read /proc/self/mountinfo: No such file or directory (is /proc mounted?)"
	is "masked /proc/sys" "$(unshare -Urm sh -c 'mount -t tmpfs none /proc/sys && "$UMBRA" do -- echo fine')" fine
fi

[ "$(id -u)" = 0 ] || exit 0
# In a chroot, with and without a mount at its root.
mkdir -p root/proc root/bin root/dev; cp "$UMBRA" root/bin/umbra
unshare -m sh -c 'mount --make-rprivate /; mount -t proc proc root/proc; exec chroot root /bin/umbra do -- true' >out 2>&1
is "chroot" "$? $(cut -c1-70 out)" "125 umbra: the root directory of this chroot is no mount point: 'mount --b"
unshare -m sh -c 'mount --make-rprivate /; mount --bind root root; mount -t proc proc root/proc
	exec chroot root /bin/umbra do -- /bin/umbra version' >out 2>&1
is "chroot at a mount" "$? $(cut -c1-9 out)" "0 umbra 0.1"
# An ordinary user: nothing that may not be reached is shown.
chmod 755 "$TMP"; mkdir -m 700 secret; cp "$UMBRA" umbra
as() { setpriv --reuid 1234 --regid 1234 --clear-groups "$@"; }
as ./umbra do --rootfs secret true >out 2>&1; is "root that may not be entered" "$? $(cat out)" \
	"125 umbra: root file system 'secret': Permission denied"
(cd secret; as ../umbra do true) >out 2>&1; has "$? $(cat out)" "125 umbra: current directory "
