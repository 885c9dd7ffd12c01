# SPDX-License-Identifier: Apache-2.0
# Every allocation of the guest kernel fails in turn: tests/hostile/faults.c. As root there, so that an ordinary user can run it.
# timeout: 180
timeout -k 5 160 "$UMBRA" do --cpus 1 --memory 256M --debug=faults --user 0:0 --bind "$BUILD:$BUILD:ro" -- "$BUILD/tests/hostile/faults" </dev/null
