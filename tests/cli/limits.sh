# SPDX-License-Identifier: Apache-2.0
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
