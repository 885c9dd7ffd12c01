# SPDX-License-Identifier: Apache-2.0
# Changes to a host tree that stay in the sandbox: each script runs natively on a copy of the tree and in a sandbox on the tree
# itself; output must agree, and the tree must be as it was.
# timeout: 300
. "$ROOT/tests/prog/lib.sh"

tree=$(mktemp -d /var/tmp/umbra-overlay.XXXXXX)
copy=$(mktemp -d /var/tmp/umbra-overlay.XXXXXX)
trap 'rm -rf "$tree" "$copy"' EXIT

make_tree() {
	cd "$tree" || exit 1
	mkdir -p d/e/f full empty many
	echo lower > a
	echo two names > h1; ln h1 h2
	echo in d > d/x; echo in e > d/e/y; echo in f > d/e/f/z
	seq 100 > full/n; ln -s ../a full/link; ln -s /nowhere dangling
	mkfifo pipe
	head -c 300000 /dev/urandom > big
	(cd many && seq 500 | xargs touch)
	chmod 4755 a; chmod 1777 empty
	touch -d "2001-02-03 04:05:06" a d/x d big
}

# Everything about the tree but access times and what copying changes.
describe='find . -mindepth 1 -printf "%p %y %m %U %G %l\n" | LC_ALL=C sort; find . -type f -print0 | LC_ALL=C sort -z | xargs -0r md5sum'

state() { (cd "$tree" && find . -printf '%p %y %m %n %s %T@ %i %l\n' | sort; find . -type f -exec md5sum {} + | sort); }

# check NAME SCRIPT
check() {
	local name=$1 script="$2
$describe" want got before cpus
	rm -rf "$copy" && cp -a "$tree" "$copy"
	before=$(state)
	want=$(cd "$copy" && bash -c "$script" 2>&1)
	for cpus in 2; do
		got=$(cd / && timeout 60 "$UMBRA" do --cpus $cpus -w "$tree" -- bash -c "$script" 2>&1 </dev/null)
		if [ "$want" != "$got" ]; then
			echo "FAIL: $name (--cpus $cpus)"
			diff <(printf '%s\n' "$want") <(printf '%s\n' "$got") | head -20
			failures=$((failures + 1))
		fi
	done
	if [ "$before" != "$(state)" ]; then
		echo "FAIL: $name changed the host's tree"
		diff <(printf '%s\n' "$before") <(state) | head
		failures=$((failures + 1))
	fi
}

(make_tree)

check "nothing" ':'
check "overwrite" 'echo upper > a; cat a; stat -c "%h %a" a'
check "append" 'echo more >> a; cat a; echo more >> full/n; tail -2 full/n'
check "append to a large file" 'echo tail >> big; tail -c 5 big; stat -c %s big; head -c 300000 big | md5sum'
check "part of a large file" 'printf XXXX | dd of=big bs=1 seek=150000 conv=notrunc 2>/dev/null; md5sum big'
check "truncate" 'truncate -s 1000 big; md5sum big; : > a; stat -c %s a; truncate -s 400000 full/n; md5sum full/n'
check "attributes" 'chmod 600 a; touch -d "1999-01-01" d/x; stat -c "%a %Y %s" a d/x; chmod 700 d; stat -c %a d; cat d/x'
check "set-id survives nothing it should not" 'chown 1:1 a; stat -c "%a %u" a'
check "delete" 'rm a; ls; cat a 2>&1; rm -r d; ls -d d 2>&1; [ ! -e d ] && echo gone'
check "delete and make again" 'rm a; echo new > a; cat a; rm -r d; mkdir d; ls -A d; echo n > d/x; cat d/x; ls -A d'
check "another kind in its place" 'rm a; mkdir a; touch a/in; rm -r d; echo file > d; cat d; rm pipe; ln -s a pipe; ls pipe/'
check "rmdir" 'rmdir full 2>&1; rmdir empty && ls -d empty 2>&1; rm -rf many; ls -d many 2>&1; mkdir many; ls many | wc -l; rmdir many'
check "empty a directory and remove it" 'rm full/*; ls -A full; rmdir full; ls -d full 2>&1'
check "rename files" 'mv a b; ls a 2>&1; cat b; mv b d/a; cat d/a; mv d/x a; cat a; ls d'
check "rename over" 'mv h1 a; cat a; stat -c %h a; mv full/n d/x; tail -1 d/x; ls full'
check "rename a directory" 'mv d moved; ls d 2>&1; cat moved/x moved/e/y moved/e/f/z; ls moved; mkdir d; ls -A d; echo x > moved/e/new; ls moved/e'
check "rename directories about" 'mv d/e e; mv e full/; cat full/e/f/z; mv full/e/f .; cat f/z; ls d full/e; mv f d/; find d | sort'
check "rename and back" 'mv d q; mv q d; cat d/e/f/z; mv a q; mv q a; cat a; mv many m; rm m/7; mv m many; ls many | wc -l'
check "rename onto an emptied directory" 'rm full/*; mv d full; cat full/x; ls'
check "exchange" 'mkdir t; python3 -c "
import ctypes
l = ctypes.CDLL(None)
print(l.renameat2(-100, b\"d\", -100, b\"many\", 2), l.renameat2(-100, b\"a\", -100, b\"full/n\", 2))"; ls d | wc -l; cat many/x; cat full/n'
check "hard links of the tree" 'echo changed > h2; cat h1; stat -c %h h1 h2; [ h1 -ef h2 ] && echo same; rm h1; cat h2; stat -c %h h2; ln h2 h3; echo again > h3; cat h2; rm h2; cat h3'
check "hard links, renamed" 'mv h1 d/h; echo c >> h2; cat d/h; stat -c %h d/h h2; ln d/h h4; rm h2; stat -c %h h4'
check "new hard links" 'ln a a2; echo both > a2; cat a; stat -c %h a; ln d/x d/e/x; rm d/x; cat d/e/x; stat -c %h d/e/x'
check "symlinks" 'cat full/link; echo through > full/link; cat a; ln -sfn d full/link2; mv full/link l; readlink l; rm dangling; ln -s a dangling; cat dangling; touch -h -d @5 l; stat -c %Y l'
check "listings" 'rm many/{1..100}; touch many/new{1..50} many/200; ls many | wc -l; ls many | sort | md5sum; find many -type f -delete; ls -A many'
check "listing while deleting" 'rm -rf many/*; ls many | wc -l; rmdir many'
check "inode numbers last" 'for f in a d/x big d; do n=$(stat -c %i $f); chmod 711 $f; [ $n = $(stat -c %i $f) ] || echo $f changed; done
	n=$(stat -c %i a); echo x >> a; mv a z; [ $n = $(stat -c %i z) ] || echo a changed; [ $n = $(ls -i | awk "\$2 == \"z\" {print \$1}") ] || echo listing; n=$(stat -c %i d); mv d y; [ $n = $(stat -c %i y) ] || echo d changed'
check "an open file goes on" 'exec 3< a; read -r l <&3; echo $l; exec 4< big; head -c 10 <&4 | md5sum; echo new > a; rm big; cat <&4 | md5sum; exec 5< full/n; echo appended >> full/n; tail -1 <&5'
check "current directory goes on" 'cd d; mv ../d ../w; ls; cat x; touch here; ls ../w; cd ..; ls w'
check "fifo" 'echo through > pipe & cat pipe; wait; mv pipe p2; echo again > p2 & cat p2; wait'
check "mapping" 'python3 -c "
import mmap
f = open(\"a\", \"r+b\"); m = mmap.mmap(f.fileno(), 0); m[0:5] = b\"MAPPD\"; m.close(); f.close()
print(open(\"a\").read())
g = open(\"d/x\", \"rb\"); r = mmap.mmap(g.fileno(), 0, prot=mmap.PROT_READ); print(r[:])"'
check "sed, patch, tar" 'sed -i s/in/out/ d/x; cat d/x; tar cf - d full | (mkdir t && cd t && tar xf -); diff -r d t/d && echo same; rm -rf t'
check "git" 'git init -q . 2>&1; git config user.email a@b; git config user.name n; git add a d full/n; git commit -qm one; echo x >> a; git diff --stat; git checkout -q a; cat a; git rm -qr d; ls; git reset -q --hard; cat d/e/f/z; rm -rf .git'
check "copies" 'cp -a d c; diff -r d c && echo same; cp --reflink=auto big b2; cmp big b2 && echo same; cp -l h1 h5; stat -c %h h5; rsync -a d/ r/ 2>/dev/null || cp -a d/. r/ 2>/dev/null || cp -a d r; diff -r d r && echo same'
check "locks" 'flock a -c "echo locked; flock -n a -c \"echo not || true\" || echo busy"'
finish
