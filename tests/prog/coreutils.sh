# SPDX-License-Identifier: Apache-2.0
# coreutils, findutils, grep, sed, awk, diff, tar and compressors.
# timeout: 300
. "$ROOT/tests/prog/lib.sh"

both "files" 'echo a > a; cp -p a b; ln a c; ln -s a d; mv b e; ls -1; stat -c "%h %s %F" a d; readlink d; rm a; cat c; cat d 2>&1'
both "directories" 'mkdir -p a/b/c; rmdir a/b/c; cp -r /etc/default x; find x -type f | sort | head; rm -rf a x; ls'
both "dd" 'dd if=/dev/zero of=f bs=1M count=8 2>/dev/null; dd if=f bs=4k skip=3 count=1 2>/dev/null | md5sum; truncate -s 100M sparse; stat -c %s sparse; du -k sparse | cut -f1'
both "text" 'seq 100 | sort -R --random-source=/etc/passwd | sort -n | uniq -c | awk "{s += \$2} END {print s}"; seq 20 | paste - - - | column -t; printf "b\na\n" | sort | tac | nl'
both "sort spills to files" 'seq 300000 | rev | sort -S 1M | md5sum'
both "grep" 'grep -c root /etc/passwd; grep -rl "^root" /etc/passwd /etc/group | sort; grep -E "^[a-z]+:x:[0-9]{1,2}:" /etc/passwd | wc -l; grep nothing /etc/passwd; echo $?'
both "sed in place" 'seq 5 > f; sed -i "s/3/three/;2d" f; cat f; ls'
both "awk" 'awk -F: "{n[\$7]++} END {for (s in n) print n[s], s}" /etc/passwd | sort; awk "BEGIN {while ((\"echo a; echo b\" | getline l) > 0) print l; system(\"exit 3\")}"'
both "diff and patch" 'seq 10 > a; sed s/5/five/ a > b; diff -u a b | tail -n +3; cmp a b | sed "s/,.*//"'
both "find" 'mkdir -p d/{1,2,3}; touch d/{1,2}/f; find d -name f -exec echo {} + | tr " " "\n" | sort; find d -empty -type d; find d -type f -delete; find d | sort; find /usr/bin -maxdepth 1 -name "ba*" | sort | xargs -n1 basename'
both "xargs parallel" 'seq 20 | xargs -P 4 -n 1 sh -c "echo \$0" | sort -n | tr "\n" " "'
both "tar of a host tree" 'tar -C /usr/share -cf - doc 2>/dev/null | tar -tf - | wc -l'
both "tar round trip" 'tar -C /etc -czf e.tgz --exclude=shadow* --exclude=gshadow* default init.d 2>/dev/null; mkdir x; tar -C x -xzf e.tgz; diff -r /etc/default x/default && echo same; ls -l x/init.d | wc -l'
both "gzip and xz of /usr/share" 'tar -C /usr/share -cf - common-licenses | xz -T2 | xz -dc | md5sum; find /usr/share/perl -type f 2>/dev/null | sort | xargs cat | gzip -9 | gzip -dc | md5sum'
both "dates and sleeps" 'touch -d "2020-02-02 02:02:02 UTC" f; TZ=UTC date -r f; timeout 0.1 sleep 5; echo $?; s=$(date +%s%N); sleep 0.2; [ $(($(date +%s%N) - s)) -ge 200000000 ] && echo slept'
both "links and times" 'touch -h -d @1 l 2>/dev/null; ln -s nowhere l; touch -h -d @1000 l; stat -c "%Y %N" l; ln -sf elsewhere l; readlink l'
both "special files" 'mkfifo p; (echo through > p) & cat p; wait; [ -p p ] && echo fifo; [ -c /dev/null ] && echo chr; head -c 10 /dev/zero | od -An -tx1; head -c 16 /dev/urandom | wc -c'
both "large listing" 'mkdir m; cd m; seq 3000 | xargs touch; ls | wc -l; ls -f | wc -l; rm -f *; ls | wc -l'
both "split and join" 'seq 1000 | split -l 100 - part; cat part* | md5sum; ls part* | wc -l; seq 1000 | shuf --random-source=/etc/passwd | head -1000 | sort -n | md5sum; seq 10 | tee x y | cat - x y | wc -l'
both "who am I" 'id -u; id -g; whoami; groups | wc -w; pwd -P | sed "s,.*/,,"; nice; nice -n 5 nice; stat -c %F /proc/self/exe; test -r /etc/passwd -a ! -w /proc/version && echo ok'
finish
