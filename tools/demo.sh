#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Shows what a sandbox is: the same questions asked on the host and inside, then real programs at work.
umbra=${1:-build/runtime/umbra}

if [ ! -x "$umbra" ]; then
	echo "demo: there is no $umbra: run 'make' first" >&2
	exit 1
fi
umbra=$(realpath "$umbra")
work=$(mktemp -d) && cd "$work" || exit 1
trap 'rm -rf "$work" /etc/umbra-demo' EXIT

questions=(
	"kernel" "uname -sr"
	"who am I" "id -un 2>/dev/null || id -u"
	"host name" "uname -n"
	"my process id" "echo \$\$"
	"processes" "ls -d /proc/[0-9]* | wc -l"
	"processors" "nproc"
	"network devices" "echo \$(ls /sys/class/net 2>/dev/null)"
	"distribution" ". /etc/os-release; echo \$PRETTY_NAME"
)
script=
for ((i = 1; i < ${#questions[@]}; i += 2)); do
	script+="(${questions[i]}) 2>&1 | head -1; "
done

mapfile -t host < <(bash -c "$script")
mapfile -t guest < <("$umbra" do -- bash -c "$script")
printf '%-18s %-32s %s\n' "" "on the host" "in the sandbox"
printf '%-18s %-32s %s\n' "" "-----------" "--------------"
for ((i = 0; i < ${#questions[@]} / 2; i++)); do
	printf '%-18s %-32.32s %s\n' "${questions[2 * i]}" "${host[i]}" "${guest[i]}"
done

echo
echo "\$ umbra do -- cat /proc/version"
"$umbra" do -- cat /proc/version || exit 1

echo
echo "The host's files are visible, changes to them are not:"
echo "\$ umbra do -- sh -c 'echo changed > /etc/umbra-demo; cat /etc/umbra-demo'"
"$umbra" do -- sh -c 'echo changed > /etc/umbra-demo; cat /etc/umbra-demo' || exit 1
echo "\$ ls /etc/umbra-demo"
ls /etc/umbra-demo 2>&1

echo
echo "A Python program with threads, a child process, a database and a file in the current directory:"
cat >app.py <<'PY'
import os, platform, sqlite3, subprocess, threading
results = []
threads = [threading.Thread(target=lambda n=n: results.append(sum(range(n * 10000)))) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
child = subprocess.run(["sh", "-c", "echo pid $$"], capture_output=True, text=True).stdout.strip()
db = sqlite3.connect("app.db")
db.execute("create table r (v integer)")
db.executemany("insert into r values (?)", [(r,) for r in results])
db.commit()
print(f"python {platform.python_version()} on {platform.release()}: {len(results)} threads, child {child},",
      f"{db.execute('select count(*) from r').fetchone()[0]} rows in {os.path.basename(os.getcwd())}/app.db")
PY
echo "\$ umbra do -- python3 app.py"
"$umbra" do -- python3 app.py || exit 1
echo "\$ ls"
ls

echo
TIMEFORMAT="started, ran 'true' and ended in %R s"
time "$umbra" do -- true
