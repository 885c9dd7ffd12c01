# SPDX-License-Identifier: Apache-2.0
# Every allocation of the guest kernel fails in turn: tests/hostile/faults.c.
# timeout: 180
timeout -k 5 160 "$UMBRA" do --cpus 1 --memory 256M --debug=faults --bind "$BUILD:$BUILD:ro" -- "$BUILD/tests/hostile/faults" </dev/null
