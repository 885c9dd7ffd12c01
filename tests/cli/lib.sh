# SPDX-License-Identifier: Apache-2.0
# For the tests in this folder: assertions, and umbra with the fake guest (tests/fake/guest.c).

fail() { echo "FAILED: $*"; exit 1; }

skip() { echo "$*"; exit 77; }

# is WHAT GOT WANTED
is() { [ "$2" = "$3" ] || fail "$1: got '$2', not '$3'"; }

# has TEXT PATTERN: some line of TEXT matches the glob
has() { case "$1" in *$2*) ;; *) fail "no '$2' in: $1" ;; esac; }

fake() { command=$1; shift; "$FAKE" "$command" --kernel "$BUILD/tests/fake/fake-kernel" "$@"; }
