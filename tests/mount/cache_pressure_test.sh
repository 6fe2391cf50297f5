#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: 64 readers of a tree that is many times larger than the cache get the right bytes, and all of them come to an end.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

tree=$scratch/tree
mnt=$scratch/mnt
make_samples "$tree/small" 10 200 6000
make_samples "$tree/large" 2 20 2500000  # each longer than a page
pack "$tree" -o "$tree.quire"

for options in cache_size=8M cache_size=8M,io=threads cache_size=8M,admit=page,policy=lru; do
  mount_pack "$tree.quire" "$mnt" -o "$options"
  timeout 100 python3 - "$tree" "$mnt" <<'PYTHON' || fail "with $options: exit status $?"
import concurrent.futures, os, random, sys
tree, mount = sys.argv[1:]
names = sorted(os.path.relpath(f'{folder}/{name}', tree) for folder, _, files in os.walk(tree) for name in files)

# Pieces of random files, at random places; what the kernel has kept is dropped, so that the mount is asked each time.
def read_some(seed):
    choose = random.Random(seed)
    for _ in range(40):
        name = choose.choice(names)
        with open(f'{tree}/{name}', 'rb') as wanted, open(f'{mount}/{name}', 'rb', buffering=0) as got:
            size = os.fstat(got.fileno()).st_size
            at, length = choose.randrange(size), choose.randrange(1, 400_000)
            os.posix_fadvise(got.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if os.pread(got.fileno(), length, at) != os.pread(wanted.fileno(), length, at):
                return f'{name}: wrong bytes in {length} at {at}'

# Whole files, every one by somebody.
def read_whole(part):
    for name in names[part::64]:
        with open(f'{tree}/{name}', 'rb') as wanted, open(f'{mount}/{name}', 'rb') as got:
            os.posix_fadvise(got.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if got.read() != wanted.read(): return f'{name}: wrong bytes'

with concurrent.futures.ThreadPoolExecutor(64) as readers:
    for work in read_some, read_whole:
        for wrong in readers.map(work, range(64)):
            if wrong: sys.exit(wrong)
PYTHON
  assert_equal "$(json 'd["slots"], d["resident_pages"] <= 4, d["parked_requests"], d["failed_requests"]' <"$mnt/.quire/stats")" '(4, True, 0, 0)' "$options"
  umount_pack "$mnt"
done
pass
