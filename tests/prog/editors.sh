# SPDX-License-Identifier: Apache-2.0
# Editors on a terminal, with real keystrokes: natively and under `umbra do -t`.
# timeout: 300
. "$ROOT/tests/prog/lib.sh"
need python3
command -v vim >/dev/null || command -v nano >/dev/null || { echo "neither vim nor nano is installed"; exit 77; }

for editor in vim nano; do
	command -v $editor >/dev/null || continue
	mkdir -p work && cd work && rm -f file
	python3 "$ROOT/tests/prog/editors.py" $editor >../want 2>&1 || { echo "FAIL: $editor, natively:"; tail -c 2000 ../want; exit 1; }
	for cpus in ${CPUS:-1 2}; do
		if ! python3 "$ROOT/tests/prog/editors.py" $editor "$UMBRA" do -t --cpus $cpus -- >../got 2>&1 || ! cmp -s ../want ../got; then
			echo "FAIL: $editor (--cpus $cpus)"
			diff ../want ../got | tail -c 2000
			failures=$((failures + 1))
		fi
	done
	cd ..
done
finish
