# SPDX-License-Identifier: Apache-2.0
# Damaged ELF programs: whatever execve makes of them, it comes back, and the sandbox goes on.
# timeout: 200
. "$ROOT/tests/prog/lib.sh"
need gcc python3

echo 'int main(void) { return 42; }' > whole.c
gcc -static -s -o static whole.c || exit 77
gcc -s -o pie whole.c && gcc -static-pie -s -o static-pie whole.c && gcc -no-pie -s -o fixed whole.c || exit 1

cat > damage.py <<'END'
import os, random, resource, struct, subprocess

INTERESTING = [0, 1, 0xff, 0xffff, 0xfff, 0x1000, 0xffffffff, 1 << 32, 1 << 40, 1 << 47, 1 << 63, (1 << 64) - 1,
               0x7fffffffffff, 0x7ffffffff000, 0x640000000000, 0x6e0000000000, 0x50f0000, 0xffffffffffffff00]

def damaged(rng, data):
    data = bytearray(data)
    headers, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        kind = rng.random()
        at = (rng.randrange(64) if kind < 0.35 else
              headers + rng.randrange(56 * count) if kind < 0.95 else rng.randrange(len(data)))
        width = rng.choice([1, 2, 4, 8])
        at &= ~(width - 1) if rng.random() < 0.5 else ~0
        value = rng.choice(INTERESTING + [rng.getrandbits(64)]) & ((1 << 8 * width) - 1)
        if at + width <= len(data):
            data[at:at + width] = value.to_bytes(width, "little")
    return data[:rng.randrange(len(data))] if rng.random() < 0.1 else data

def limits():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
    resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33))

def run(path):
    try:
        return subprocess.run([path], preexec_fn=limits, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode
    except OSError:
        return None

names = ["static", "pie", "static-pie", "fixed"]
whole = {n: open(n, "rb").read() for n in names}
rng = random.Random(int(os.environ.get("SEED", "1")))
ran = 0
for i in range(int(os.environ.get("COUNT", "100"))):
    with open("damaged", "wb") as f:
        f.write(damaged(rng, whole[rng.choice(names)]))
    os.chmod("damaged", 0o755)
    ran += run("./damaged") == 42
    os.unlink("damaged")
assert ran > 10, ran
assert all(run("./" + n) == 42 for n in names)
print("done")
END
for cpus in 1 2; do
	got=$(timeout -k 5 90 "$UMBRA" do --cpus $cpus --memory 512M --env "SEED=${SEED:-$cpus}" --env "COUNT=${COUNT:-100}" -- \
		python3 damage.py 2>&1 </dev/null)
	[ "$got" = "done" ] || { echo "FAIL: $cpus vCPUs: $got"; failures=$((failures + 1)); }
done
finish
