#!/bin/bash
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
repack --exclude '[ab].*'
assert_equal "$(listing)" 'cache cache/c deep deep/cache deep/cache/c deep/er deep/er/cache deep/er/cache/c keep '
repack --exclude 'nothing?'
assert_equal "$(listing)" "$all"

# Devices, sockets and FIFOs are left out and counted; what is around them is not touched.
repack
sum_without=$(quire info --json "$scratch/out.quire" | json 'd["samples"]')
make_special_files "$scratch/tree/special"
repack
grep -qi "$special_files.*\(device\|left out\)\|left out.*$special_files" "$scratch/pack.log" || { cat "$scratch/pack.log"; fail "nothing says that $special_files files were left out"; }
assert_equal "$(quire info --json "$scratch/out.quire" | json 'd["left_out"]')" "$special_files"
assert_equal "$(quire info --json "$scratch/out.quire" | json 'd["samples"]')" "$sum_without"
assert_equal "$(listing)" "$all""special "
mkdir "$scratch/extracted" && quire extract "$scratch/out.quire" -C "$scratch/extracted"
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
rm -r "$scratch/extracted" && mkdir "$scratch/extracted" && quire extract "$scratch/out.quire" -C "$scratch/extracted"
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
assert_fails quire pack "$scratch/tree" -o "$scratch/new.quire" --order "list:$scratch/none"
assert_fails quire pack "$scratch/tree" -o "$scratch/new.quire" --order sideways
assert_fails quire pack "$scratch/tree" -o "$scratch/new.quire" --order shuffle:x
[ ! -e "$scratch/new.quire" ] || fail 'a pack in spite of a wrong order'

# --progress always tells how far it is; never tells nothing of it.
output=$(quire pack "$scratch/tree" -o "$scratch/out.quire" --force --progress always 2>&1)
assert_says '9 samples\|samples.* 9\|9 .*samples'
pass
