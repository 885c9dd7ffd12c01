# SPDX-License-Identifier: Apache-2.0
# tar, gzip and xz over /usr/share: what the sandbox reads, packs and unpacks has the checksums it has natively.
# timeout: 400
. "$ROOT/tests/prog/lib.sh"
need tar gzip xz md5sum

# All of it is listed; of the content, what a test has time for.
# Without root, owners that are neither root nor the caller show as root.
ids="%U %G"; [ "$(id -u)" = 0 ] || ids=
both "metadata of /usr/share" 'cd /usr/share; find . -printf "%p %y %s %m '"$ids"' %n %l %T@\n" 2>/dev/null | sort | md5sum'
both "content of /usr/share" 'cd /usr/share; tar --sort=name -cf - $(ls -d [d-i]*) 2>/dev/null | md5sum'
both "gzip and back" 'tar -C /usr/share --sort=name -cf - $(cd /usr/share; ls -d perl*) 2>/dev/null | tee a.tar | gzip -n -3 | tee a.gz | gunzip | md5sum; md5sum a.tar a.gz'
both "xz on two threads" 'tar -C /usr/share --sort=name -cf - $(cd /usr/share; ls -d perl*) 2>/dev/null > a; xz -0 -T2 --block-size=1MiB < a > a.xz; xz -t a.xz; xz -dc a.xz | cmp - a && xz -l --robot a.xz | cut -f1-3,5; md5sum < a.xz'
both "unpack and compare" 'mkdir in out; tar -C /usr/share --sort=name -czf in/a.tar.gz $(cd /usr/share; ls -d doc/[a-d]*) 2>/dev/null; tar -C out -xzf in/a.tar.gz; diff -r --no-dereference /usr/share/doc out/doc | grep -v "^Only in /usr/share/doc"; tar -C out -df in/a.tar.gz; find out -type f | wc -l; find out -mindepth 2 ! -type l -printf "%P %m %T@\n" | sort | md5sum; du -sb --apparent-size out | cut -f1; rm -r out; find . | sort'
both "sparse and odd files" 'truncate -s 1G sparse; echo end >> sparse; mkfifo p; ln -s nowhere l; ln sparse hard; touch -d "1999-12-31 23:59:59.123456789" old; tar -S --sort=name -cf t.tar sparse p l hard old; stat -c %s t.tar; mkdir o; tar -C o -xf t.tar; ls -o --time-style=full-iso o/old | cut -d" " -f5-; stat -c "%n %F %h %s" o/*; cmp sparse o/hard && echo same; [ $(stat -c %b o/sparse) -lt 100 ] && echo sparse'
finish
