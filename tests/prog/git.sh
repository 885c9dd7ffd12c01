# SPDX-License-Identifier: Apache-2.0
# git with some thousand files, and over Umbra's own repository.
# timeout: 400
. "$ROOT/tests/prog/lib.sh"
need git tar md5sum
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=user.email GIT_CONFIG_VALUE_0=a@b GIT_CONFIG_KEY_1=user.name \
	GIT_CONFIG_VALUE_1=n GIT_CONFIG_KEY_2=gc.autoDetach GIT_CONFIG_VALUE_2=false
export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z

both "thousands of files" 'git init -q -b main r && cd r || exit
for d in $(seq 30); do mkdir d$d; for f in $(seq 100); do echo "$d $f" > d$d/f$f; done; done
git add . && git commit -qm one; git status --short
git rm -rq d1; git mv d2 e2; sed -i s/3/three/ d3/*; chmod +x d4/f1; ln -s f2 d4/l; git add -A; git commit -qm two
git log --stat --format=%H%s | md5sum; git rev-parse HEAD
for i in $(seq 30); do echo $i >> d5/f$i; git commit -qam c$i; done; git rev-parse HEAD
git clone -q --no-local . ../s; git clone -q --bare . ../b.git; git -C ../b.git gc -q --aggressive; git -C ../b.git count-objects -v | grep -v size
cd ../s; git fsck --full --strict; git checkout -q -b br HEAD~20; echo x > new; git add new; git commit -qm br; git rebase -q main; git log --format=%H | md5sum
echo y >> d6/f1; git stash -q; git stash pop -q; git stash list; git diff --stat; git worktree add -q ../w HEAD~5; ls ../w | wc -l; git archive HEAD | tar -t | wc -l
git push -q origin br 2>&1; git -C ../r branch | wc -l; git repack -adq; git prune; git fsck; git grep -c three | md5sum; git bisect start -q HEAD HEAD~25 >/dev/null; git bisect run sh -c "! grep -q 15 d5/f15 || [ \$(wc -l < d5/f15) -lt 2 ]" | grep "first bad"'

if git -C "$ROOT" -c safe.directory='*' rev-parse -q --verify HEAD >/dev/null 2>&1; then
	export GIT_CONFIG_COUNT=4 GIT_CONFIG_KEY_3=safe.directory GIT_CONFIG_VALUE_3='*'
	BIND="--bind $ROOT" both "this repository" 'git clone -q --no-local --single-branch "$ROOT" u 2>&1 && cd u && git fsck --full && git gc -q && git rev-list --objects HEAD | sort | md5sum; git status --short | wc -l; git log --stat -n 20 --format=%H | md5sum; git ls-files -s | md5sum; git diff --stat HEAD~1 2>/dev/null | tail -n 1'
fi
finish
