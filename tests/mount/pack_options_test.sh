#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: pack leaves out what it is told to and what no pack holds, stores equal content once with --dedup, and lays
# samples in the order that it is given.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"

listing() { list_paths "$scratch/out.quire" | tr '\n' ' '; }
repack() { pack "$scratch/tree" -o "$scratch/out.quire" --force "$@"; }

# --exclude: a pattern without '/' is for names at any depth, one with '/' for the path below SRC.
mkdir -p "$scratch/tree/"{keep,cache,deep/cache,deep/er/cache}
for file in a.txt b.tmp keep/a.txt keep/b.tmp cache/c deep/cache/c deep/er/cache/c deep/er/a.txt; do echo "$file" >"$scratch/tree/$file"; done
repack
all=$(listing)
assert_equal "$(wc -w <<<"$all")" 14 "everything: $all"
repack --exclude '*.tmp' --exclude cache
assert_equal "$(listing)" 'a.txt deep deep/er deep/er/a.txt keep keep/a.txt '
repack --exclude 'deep/cache'
assert_equal "$(listing)" "${all/deep\/cache deep\/cache\/c /}"
repack --exclude 'keep/*'
assert_equal "$(listing)" "${all/keep\/a.txt keep\/b.tmp /}"
repack --exclude '**/cache'
assert_equal "$(listing)" 'a.txt b.tmp deep deep/er deep/er/a.txt keep keep/a.txt keep/b.tmp '
repack --exclude 'deep/**' --exclude 'k**/?.tmp'
assert_equal "$(listing)" 'a.txt b.tmp cache cache/c deep keep keep/a.txt '
repack --exclude 'deep/**/cache/'
assert_equal "$(listing)" "${all/deep\/cache deep\/cache\/c deep\/er deep\/er\/a.txt deep\/er\/cache deep\/er\/cache\/c/deep\/er deep\/er\/a.txt}"
repack --exclude '[ab].*'
assert_equal "$(listing)" 'cache cache/c deep deep/cache deep/cache/c deep/er deep/er/cache deep/er/cache/c keep '
repack --exclude 'nothing?'
assert_equal "$(listing)" "$all"

# A pattern that ends in '/' is for folders; one that matches nothing is named; a file may hold them.
echo file >"$scratch/tree/deep/er/keep"
repack --exclude 'cache/' --exclude 'keep/' --exclude '*.tmp' --exclude 'none/' --exclude a.txt/
assert_equal "$(listing)" 'a.txt deep deep/er deep/er/a.txt deep/er/keep '
output=$(cat "$scratch/pack.log")
assert_says "'none/' matches nothing" "'a.txt/' matches nothing"
assert_equal "$(grep -c 'matches nothing' <<<"$output")" 2
rm "$scratch/tree/deep/er/keep"
printf '# comment\r\n\r\n*.tmp\r\n/cache/\r\nnone\r\n' >"$scratch/patterns"
repack --exclude-from "$scratch/patterns" --exclude 'deep/*/cache'
assert_equal "$(listing)" 'a.txt deep deep/cache deep/cache/c deep/er deep/er/a.txt keep keep/a.txt '
output=$(cat "$scratch/pack.log")
assert_says "$scratch/patterns, line 5: 'none' matches nothing"
assert_exit 1 quire pack "$scratch/tree" -o "$scratch/new.quire" --exclude-from "$scratch/none"
assert_says "--exclude-from $scratch/none"

# --files-from: what is listed, folders with all below them, and the folders that it lies in; the list may come from find.
printf '%s\n' keep ./deep/er/a.txt a.txt >"$scratch/list"
repack --files-from "$scratch/list"
assert_equal "$(listing)" 'a.txt deep deep/er deep/er/a.txt keep keep/a.txt keep/b.tmp '
repack --files-from "$scratch/list" --exclude '*.tmp' --exclude keep
assert_equal "$(listing)" 'a.txt deep deep/er deep/er/a.txt '
touch "$scratch/tree/new"$'\n'line
(cd "$scratch/tree" && find . -name '*.txt' -print0 -o -name $'*\n*' -print0) | repack --files-from -0
assert_equal "$(quire info --json "$scratch/out.quire" | json 'd["samples"]')" 4 'files by find -print0'
(cd "$scratch/tree" && find . -name '*.txt') | repack --files-from -
assert_equal "$(listing)" 'a.txt deep deep/er deep/er/a.txt keep keep/a.txt '
rm "$scratch/tree/new"$'\n'line
echo gone >>"$scratch/list"
assert_exit 1 quire pack "$scratch/tree" -o "$scratch/new.quire" --files-from "$scratch/list"
assert_says 'gone: .*not there' 'nothing was written'
assert_exit 1 quire pack "$scratch/tree" -o "$scratch/out.quire" --force --files-from "$scratch/list" --skip-unreadable
assert_equal "$(listing)" 'a.txt deep deep/er deep/er/a.txt keep keep/a.txt keep/b.tmp '
echo /etc/passwd >"$scratch/list"
assert_exit 2 quire pack "$scratch/tree" -o "$scratch/new.quire" --files-from "$scratch/list"
assert_says 'absolute'
[ ! -e "$scratch/new.quire" ] || fail 'a pack in spite of a wrong list'

# --dry-run: what would be packed and how large that is, and nothing is written.
before=$(find "$scratch" -printf '%p %T@\n' | sort)
output=$(quire pack --dry-run "$scratch/tree" --exclude '*.tmp' --exclude nothing --order shuffle:1 2>&1)
assert_equal "$(find "$scratch" -printf '%p %T@\n' | sort)" "$before" 'a dry run wrote something'
assert_says 'nothing written' '2 entries excluded' "'nothing' matches nothing"
planned=$(grep -v ' ' <<<"$output" | sed 's,/$,,' | sort | tr '\n' ' ')
repack --exclude '*.tmp' --order shuffle:1
assert_equal "$planned" "$(listing)"
grep -qF "$(sed -n 's/.*; \(.* of samples in .*\)/\1/p' "$scratch/pack.log")" <<<"$output" || fail 'the dry run told another size'
assert_exit 1 quire pack --dry-run "$scratch/tree" -o "$scratch/out.quire"
assert_says '--force'
assert_exit 0 quire pack --dry-run "$scratch/tree" -o "$scratch/new.quire"
[ ! -e "$scratch/new.quire" ] || fail 'a dry run made the pack'

# --one-file-system: a mount below SRC is an empty folder.
mkdir "$scratch/tree/mount"
if is_root && mount -t tmpfs -o size=1m quire-test "$scratch/tree/mount" 2>/dev/null; then
  mounts+=("$scratch/tree/mount")
  echo foreign >"$scratch/tree/mount/foreign"
  repack
  assert_equal "$(quire cat "$scratch/out.quire" mount/foreign)" foreign
  repack --one-file-system
  assert_equal "$(quire ls "$scratch/out.quire" mount)" ''
  grep -q '1 directory on other file systems' "$scratch/pack.log" || fail "nothing tells of the mount: $(cat "$scratch/pack.log")"
  umount "$scratch/tree/mount"
else
  leave_out '--one-file-system: mounting a tmpfs needs root'
fi
rmdir "$scratch/tree/mount"

# What a pack does not keep is counted; the mode of a file with an access list gives nobody more than the list did.
mkdir "$scratch/lists"
touch "$scratch/lists/"{plain,listed,capable}
chmod 640 "$scratch/lists/listed"
if python3 - "$scratch/lists" 2>"$scratch/log" <<'PYTHON'; then
import os, struct, sys
def acl(*entries): return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *entry) for entry in entries)
nobody = 0xffffffff
# user::rw-, user:12:rw-, group::r--, mask::rw-, other::---: stat(2) shows the mask as the group's, 0660.
os.setxattr(sys.argv[1] + '/listed', 'system.posix_acl_access',
            acl((1, 6, nobody), (2, 6, 12), (4, 4, nobody), (16, 6, nobody), (32, 0, nobody)))
os.setxattr(sys.argv[1], 'system.posix_acl_default', acl((1, 7, nobody), (4, 5, nobody), (32, 5, nobody)))
PYTHON
  assert_equal "$(stat -c %a "$scratch/lists/listed")" 660
  pack "$scratch/lists" -o "$scratch/lists.quire"
  output=$(cat "$scratch/pack.log")
  assert_says 'access lists of 2 entries left out' 'modes of 1 entry narrowed'
  quire ls -l "$scratch/lists.quire" listed | grep -q '^-rw-r-----' || fail "$(quire ls -l "$scratch/lists.quire")"
  assert_exit 0 quire diff "$scratch/lists.quire" "$scratch/lists"
else
  leave_out "access lists: $(tail -n 1 "$scratch/log")"
fi
if is_root && setcap cap_net_raw+ep "$scratch/lists/capable" 2>"$scratch/log"; then
  pack "$scratch/lists" -o "$scratch/lists.quire" --force
  grep -q 'capabilities of 1 file left out' "$scratch/pack.log" || fail "nothing tells of the capability: $(cat "$scratch/pack.log")"
else
  leave_out "capabilities: $(cat "$scratch/log")"
fi

if is_root && python3 -c 'import os, sys; os.setxattr(sys.argv[1], "trusted.mark", b"x")' "$scratch/lists/plain" 2>"$scratch/log"; then
  pack "$scratch/lists" -o "$scratch/lists.quire" --force
  grep -q 'attributes of 1 entry in other namespaces' "$scratch/pack.log" || fail "nothing tells of the attribute: $(cat "$scratch/pack.log")"
else
  leave_out "attributes of trusted.*: $(tail -n 1 "$scratch/log")"
fi

# Devices, sockets and FIFOs are left out and counted; what is around them is not touched.
repack
sum_without=$(quire info --json "$scratch/out.quire" | json 'd["samples"]')
make_special_files "$scratch/tree/special"
repack
grep -qi "$special_files.*\(device\|left out\)\|left out.*$special_files" "$scratch/pack.log" || { cat "$scratch/pack.log"; fail "nothing says that $special_files files were left out"; }
assert_equal "$(quire info --json "$scratch/out.quire" | json 'd["left_out"]')" "$special_files"
assert_equal "$(quire info --json "$scratch/out.quire" | json 'd["samples"]')" "$sum_without"
assert_equal "$(listing)" "$all""special "
quire extract "$scratch/out.quire" -C "$scratch/extracted"
same_content "$scratch/tree" "$scratch/extracted"
same_metadata "$scratch/tree" "$scratch/extracted"

# --dedup: the same bytes once, and every file still has them.
rm -r "$scratch/tree"
make_samples "$scratch/tree/a" 10 100 10000
cp -r "$scratch/tree/a" "$scratch/tree/b"
random_bytes 5000000 big >"$scratch/tree/big" && cp "$scratch/tree/big" "$scratch/tree/big again"
repack
plain=$(stat -c %s "$scratch/out.quire")
repack --dedup
deduplicated=$(stat -c %s "$scratch/out.quire")
[ $((deduplicated * 10)) -lt $((plain * 6)) ] || fail "$deduplicated bytes with --dedup, $plain without"
rm -r "$scratch/extracted" && quire extract "$scratch/out.quire" -C "$scratch/extracted"
same_content "$scratch/tree" "$scratch/extracted"
same_metadata "$scratch/tree" "$scratch/extracted"  # deduplicated files are no hard links
quire verify "$scratch/out.quire" >/dev/null

# --order: where the samples lie in the pack.
rm -r "$scratch/tree" && mkdir -p "$scratch/tree/folder"
for i in 1 2 3 4 5 6 7 8; do echo "<sample $i>" >"$scratch/tree/$i"; done
echo '<sample 9>' >"$scratch/tree/folder/9"
order() { grep -aob '<sample .>' "$scratch/out.quire" | sort -n | sed 's/.*sample \(.\)>/\1/' | tr -d '\n'; }
repack
assert_equal "$(order)" 123456789 'path order'
printf '%s\n' 5 3 folder/9 1 8 7 6 4 2 >"$scratch/list"
repack --order "list:$scratch/list"
assert_equal "$(order)" 539187642 'list order'
assert_equal "$(quire info --json "$scratch/out.quire" | json 'd["order"]')" list
repack --order shuffle:1
[ "$(order)" != 123456789 ] || fail 'shuffle:1 is path order'
assert_equal "$(order | fold -w1 | sort | tr -d '\n')" 123456789 'shuffle keeps every sample'
printf '%s\n' 8 7 >"$scratch/list"  # what no line names follows, in path order
repack --order "list:$scratch/list"
assert_equal "$(order)" 871234569 'a list of some'
ln "$scratch/tree/6" "$scratch/tree/second name of 6"
printf '%s\r\n' 5 'second name of 6' 1 >"$scratch/list"  # as editors of Windows write it
repack --order "list:$scratch/list"
assert_equal "$(order)" 561234789 'a list in CRLF, with the second name of a hard link'
printf '%s\0' 9 >"$scratch/list"
assert_exit 2 quire pack "$scratch/tree" -o "$scratch/new.quire" --order "list0:$scratch/list"
printf '%s\0' 4 folder/9 >"$scratch/list"
repack --order "list0:$scratch/list"
assert_equal "$(order)" 491235678 'a list separated by NUL'
assert_fails quire pack "$scratch/tree" -o "$scratch/new.quire" --order "list:$scratch/none"
assert_fails quire pack "$scratch/tree" -o "$scratch/new.quire" --order sideways
assert_fails quire pack "$scratch/tree" -o "$scratch/new.quire" --order shuffle:x
[ ! -e "$scratch/new.quire" ] || fail 'a pack in spite of a wrong order'

# --progress always tells how far it is; never tells nothing of it.
output=$(quire pack "$scratch/tree" -o "$scratch/out.quire" --force --progress always 2>&1)
assert_says '9 samples\|samples.* 9\|9 .*samples'
pass
