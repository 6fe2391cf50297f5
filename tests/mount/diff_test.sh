#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: diff finds every way in which a directory is not what was packed, names each once, and finds none where there is none.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"

tree=$scratch/tree
pack=$scratch/tree.quire
make_odd_tree "$tree"
mkdir -p "$tree/zz/deep/er"
for name in content mode time size kind gone target xattr grown; do echo "sample of $name" >"$tree/zz/$name"; done
ln -sfn one "$tree/zz/target"
echo linked >"$tree/zz/first" && ln "$tree/zz/first" "$tree/zz/second"
sparse "$tree/zz/holes" 3000000 5000000
random_bytes 5000000 large >"$tree/zz/large"
setfattr -n user.label -v cat "$tree/zz/xattr"
echo in >"$tree/zz/deep/er/in"
pack "$tree" -o "$pack"

same() { assert_exit 0 quire diff "$@"; assert_says 'no difference'; }
same "$pack" "$tree"
same --jobs 1 "$pack" "$tree/."
mkfifo "$tree/zz/fifo"
assert_exit 1 quire diff "$pack" "$tree"  # of the folder the time is another one
assert_equal "$(grep -c '^differs' <<<"$output")" 1
assert_says '^differs: zz: mtime' '1 device, socket or FIFO left out'
rm "$tree/zz/fifo"

# Each of these is found. The time of a file that is rewritten in place is set back.
now=$tree/zz
keep_time() { local file=$1; shift; touch -r "$file" "$scratch/time"; "$@"; touch -r "$scratch/time" "$file"; }
change_byte() { printf X | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
keep_time "$now/content" change_byte "$now/content" 3
keep_time "$now/large" change_byte "$now/large" 4999999
keep_time "$now/holes" change_byte "$now/holes" 100000
chmod 0600 "$now/mode"
touch -d 2001-02-03T04:05:06.7 "$now/time"
keep_time "$now/size" truncate -s 1 "$now/size"
rm "$now/kind" && mkdir "$now/kind"
rm "$now/gone"
ln -sfn two "$now/target"
setfattr -n user.label -v dog "$now/xattr"
cp -p "$now/second" "$scratch/second" && rm "$now/second" && cp -p "$scratch/second" "$now/second"
mkdir "$now/extra" && echo below >"$now/extra/below"
rm -r "$now/deep/er"

assert_exit 1 quire diff "$pack" "$tree"
assert_says '^differs: zz/content: content from byte 3 on$' '^differs: zz/large: content from byte 4999999 on$' \
  '^differs: zz/holes: content from byte 100000 on$' '^differs: zz/mode: mode 0644, now 0600$' \
  '^differs: zz/time: mtime .* now 2001-02-03T04:05:06.700000000Z$' '^differs: zz/size: size 15, now 1$' \
  '^differs: zz/kind: type file, now directory$' '^missing: zz/gone$' "^differs: zz/target: .*target 'one', now 'two'" \
  '^differs: zz/xattr: xattrs user.label$' "^differs: zz/second: links no longer one file with 'zz/first'$" \
  '^extra: zz/extra$' '^missing: zz/deep/er$' '2 missing, 1 extra$'
assert_equal "$(grep -c '^missing\|^extra' <<<"$output")" 3 'what is below a folder is not named'
assert_equal "$(grep -v '^[0-9]' <<<"$output" | sed -E 's/^[a-z]+: ([^:]*).*/\1/' | sort | uniq -d)" '' 'each is named once'
status=0
quire diff --json "$pack" "$tree" >"$scratch/json" || status=$?
assert_equal $status 1
assert_equal "$(json 'sorted(e["path"] for e in d["differences"] if e["kind"] == "missing")' <"$scratch/json")" "['zz/deep/er', 'zz/gone']"
assert_equal "$(json '[e["what"] for e in d["differences"] if e["path"] == "zz/content"]' <"$scratch/json")" "[['content']]"
assert_equal "$(json 'd["equal"], d["missing"], d["extra"]' <"$scratch/json")" '(False, 2, 1)'

# What is ignored or excluded is not told.
assert_exit 1 quire diff --ignore content,mode,mtime,xattrs,links,owner "$pack" "$tree"
! grep -q 'content\|mode\|mtime\|xattrs\|links' <<<"$output" || fail "ignored: $output"
assert_says '^differs: zz/size' '^differs: zz/kind: type'
assert_exit 0 quire diff --ignore mtime --exclude zz "$pack" "$tree"
assert_exit 2 quire diff --ignore everything "$pack" "$tree"
assert_exit 1 quire diff "$pack" "$scratch/none"
assert_says "^quire diff: $scratch/none: "

# Damage in the pack is told with the names that it harms, and leaves JSON what it is.
cp "$pack" "$scratch/damaged.quire"
printf X | dd of="$scratch/damaged.quire" bs=1 seek=8200 conv=notrunc status=none
assert_exit 1 quire diff "$scratch/damaged.quire" "$tree"
assert_says '^quire diff: links/big: .*checksum' '2 unreadable'  # which has two names
{ quire diff --json "$scratch/damaged.quire" "$tree" 2>/dev/null || true; } | json d >/dev/null
pass
