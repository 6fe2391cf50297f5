#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the examples of the manual pages work as they stand there.
. "$(dirname "$0")/../support/harness.sh"
need_fuse
[ -w /dev/fuse ] || skip '/dev/fuse is not for this user'

mkdir -p "$scratch/bin" "$scratch/home/imagenet/train/n01440764" "$scratch/home/imagenet/.git"
ln -s "$QUIRE" "$scratch/bin/quire"
export PATH=$scratch/bin:$PATH HOME=$scratch/home
echo tench >"$HOME/imagenet/labels.txt"
echo picture >"$HOME/imagenet/train/n01440764/1.jpeg"
pack "$HOME/imagenet" -o "$scratch/imagenet.quire"
tar -C "$HOME/imagenet" -cf "$scratch/imagenet.tar" .
mkdir -p "$HOME/more/val" "$HOME/classes/n99999999"
echo more | tee "$HOME/more/val/1.jpeg" "$HOME/more/.DS_Store" >"$HOME/classes/n99999999/1.jpeg"
mounts+=("$HOME/mnt")

# Benchmarks take minutes, and tests/mount tries them.
for page in "$repository"/packaging/man/quire*.1.md; do
  name=$(basename "$page" .1.md)
  [ "$name" != quire-bench ] || continue
  examples=$(sed '1,/^## EXAMPLES$/d; /^## /,$d' "$page" | sed -n 's/^    //p')
  [ -n "$examples" ] || fail "no examples in $page"
  mkdir "$scratch/$name"
  cd "$scratch/$name" || fail "$scratch/$name"
  [[ $name =~ ^quire(-pack)?$ ]] || cp "$scratch/imagenet.quire" .
  if [[ $name =~ ^quire-(index|pack)$ ]]; then
    cp "$scratch/imagenet.tar" . && gzip -k imagenet.tar && mkdir shards
    for shard in 000000 000001 000002; do (cd shards && echo $shard >$shard.txt && tar -cf train-$shard.tar $shard.txt); done
    PYTHONPATH=$repository/tests/support /usr/bin/python3 -B -c "import beton
beton.write('train.beton', [beton.int_field('label')], [[number] for number in range(43)])"
  fi
  [ "$name" != quire-merge ] || { cp imagenet.quire part-00.quire && cp imagenet.quire part-01.quire; }
  [[ ! $name =~ ^quire-(compact|generations|rm)$ ]] || quire append -q imagenet.quire "$HOME/more"
  [ "$name" != quire-generations ] || quire rm -q imagenet.quire val
  [[ ! $name =~ ^quire-(map|stats|top|umount)$ ]] || mount_pack imagenet.quire "$HOME/mnt"
  output=$(bash -euo pipefail <<<"$examples" 2>&1) || fail "$name: $output"
  if is_mounted "$HOME/mnt"; then umount_pack "$HOME/mnt"; fi
  tried+=("$name")
done
[ ${#tried[@]} -ge 9 ] || fail "only these pages were tried: ${tried[*]}"
assert_equal "$(<"$HOME/copy/labels.txt")" tench
assert_equal "$(<"$HOME/some/train/n01440764/1.jpeg")" picture
pass
