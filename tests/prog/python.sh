# SPDX-License-Identifier: Apache-2.0
# Python's own tests: a quick choice. The whole list, and how often one likes: tests/prog/python_modules.py --help
# timeout: 400
/usr/bin/python3 -c 'import test.test_os' 2>/dev/null || { echo "python3 has no test package (libpython3.11-testsuite)"; exit 77; }

run() { /usr/bin/python3 "$ROOT/tests/prog/python_modules.py" "$UMBRA" "$@"; }

run --cpus 1,2 test_os test_mmap test_select test_fcntl test_pty test_shutil test_tempfile || exit
run --cpus 2 test_threading || exit
# Clients and servers over the loopback.
run --cpus 1,2 test_socketserver test_httplib test_httpservers test_asyncore
