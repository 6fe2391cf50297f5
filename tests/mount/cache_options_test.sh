#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: every option of the cache gives a mount that serves the tree as it is, or a message that names what is wrong.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"
need_fuse

tree=$scratch/tree
mnt=$scratch/mnt
mkdir "$mnt"
mounts+=("$mnt")
make_odd_sizes "$tree/sizes"
make_sparse_files "$tree/sparse"
make_samples "$tree/samples" 4 100 3000
random_bytes 20000000 large >"$tree/large"
pack "$tree" -o "$tree.quire"

# refused STATUS OPTION PATTERN...
refused() {
  local status=$1 option=$2
  shift 2
  assert_exit "$status" quire mount -o "$option" "$tree.quire" "$mnt"
  assert_says "$@"
  ! is_mounted "$mnt" || fail "mounted in spite of $option"
}
refused 2 cache_size=many 'cache_size=many' '512M'
refused 2 cache_size=6M 'cache_size'
refused 2 cache_size=1000T 'cache_size'
refused 2 huge=yes 'huge=yes' hugetlb
refused 2 policy=belady 'order of all reads'
refused 2 admit=all 'page or extent'
refused 2 io=aio 'uring or threads'
refused 2 readahead=1 'on or off'
# What the machine does not have: no mount and no daemon is left.
if grep -q '^HugePages_Free: *0$' /proc/meminfo; then refused 1 huge=hugetlb nr_hugepages; fi
! pgrep -f -- "quire mount .*$scratch" >/dev/null || fail 'a refused mount left a daemon'

for options in cache_size=8M io=threads,cache_size=16M huge=off huge=thp policy=lru policy=fifo policy=pin,cache_size=8M \
  admit=page,cache_size=8M admit=extent,io=threads readahead=off threads=1,cache_size=8M,readahead=on; do
  mount_pack "$tree.quire" "$mnt" -o "$options"
  same_content "$tree" "$mnt" || fail "with $options"
  umount_pack "$mnt"
done
mount_pack "$tree.quire" "$mnt" -o cache_size=8M,io=threads,huge=off
assert_same_tree "$tree" "$mnt"
assert_equal "$(json 'd["slots"]' <"$mnt/.quire/stats")" 4
umount_pack "$mnt"
if quire mount -o io=uring "$tree.quire" "$mnt" 2>/dev/null; then
  same_content "$tree" "$mnt" || fail 'with io=uring'
  umount_pack "$mnt"
else
  leave_out 'io=uring: refused here'
fi
pass
