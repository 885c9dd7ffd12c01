# SPDX-License-Identifier: Apache-2.0
# timeout: 90
# Limits of the caller's do not break the VMM, and a limit that cannot be lived with gives an error, not a crash.
. "$ROOT/tests/cli/lib.sh"

(ulimit -S -n 20; fake do exit 3); is "few descriptors (soft)" $? 3
(ulimit -S -s 256; fake do exit 3); is "small stack" $? 3
(ulimit -c unlimited; fake do exit 3); is "core files" $? 3
(ulimit -S -v 200000; fake do exit 3); is "address space (soft)" $? 3
(ulimit -S -f 100; fake do exit 3); is "file size (soft)" $? 3
(ulimit -v 200000; fake do exit 3 2>"$TMP/err"); is "address space" $? 125
grep -q '^umbra: cannot reserve .* MiB of guest memory' "$TMP/err" || fail "no sentence: $(cat "$TMP/err")"
(ulimit -f 100; fake do exit 3 2>"$TMP/err"); is "file size" $? 125
grep -q '^umbra: cannot reserve .* MiB of guest memory' "$TMP/err" || fail "no sentence: $(cat "$TMP/err")"
(ulimit -v 200000; fake do --memory 32M exit 3); is "address space, small guest" $? 3
(ulimit -S -n 20; fake do config) | grep -qx "rlimit=7:20:[0-9]*" || fail "the guest does not see the caller's limit"

[ -n "${UMBRA:-}" ] || exit 0
cd "$TMP" || exit 1

# sentence COMMAND...: exit status and the last line of stderr
sentence() { "$@" >out 2>err; echo "$? $(tail -1 err)"; }

has "$(ulimit -n 100; sentence "$UMBRA" do -- true)" "125 umbra: only 100 open files are allowed, a sandbox needs 256: raise ulimit -n"
# As few as there may be do not run out where a program opens one file after the other.
mkdir few; for i in $(seq 600); do echo $i >few/$i; done
is "256 descriptors" "$(ulimit -n 256; "$UMBRA" do -- sh -c 'cat few/* | wc -l; ulimit -n')" "600
256"
rm -r few

# Limits of programs are those of the guest kernel's: the first program has them too.
is "CPU time" "$(ulimit -S -t 1; sentence "$UMBRA" do -- sh -c 'while :; do :; done')" "152 "
# The hard one: who may not raise it has the host's, for the space, in the same second.
hard=$(ulimit -t 1; sentence "$UMBRA" do -- sh -c 'while :; do :; done')
case $hard in "137 " | "125 umbra: space "*"ulimit -t)") ;; *) fail "CPU time, hard: got '$hard'" ;; esac

has "$(ulimit -v 30000000; sentence "$UMBRA" do --memory 24G -- true)" "125 umbra: cannot start the guest: Cannot allocate memory (see ulimit -v"
has "$(ulimit -d 1000; sentence "$UMBRA" do -- true)" "125 umbra: cannot make the file server: Cannot allocate memory (see ulimit -v and -d"
