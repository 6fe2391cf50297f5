#!/bin/bash
# Goal: a folder of very many entries lists each of them once, in full, and finds each by name.
# QUIRE_ENTRIES (default 100,000) says how many; tests/real has the million.
. "$(dirname "$0")/../support/harness.sh"
. "$support/compare.sh"
need_fuse
entries=${QUIRE_ENTRIES:-100000}

python3 - "$scratch/tree" "$entries" <<'PYTHON'
import os, sys
os.makedirs(sys.argv[1] + '/many'), os.makedirs(sys.argv[1] + '/folders')
os.chdir(sys.argv[1] + '/many')
for i in range(int(sys.argv[2])):
    fd = os.open(f'sample {i}', os.O_CREAT | os.O_WRONLY)
    if i % 100 == 0: os.write(fd, b'%d' % i)
    os.close(fd)
for i in range(3000): os.mkdir(f'../folders/{i}')
PYTHON
pack "$scratch/tree" -o "$scratch/tree.quire"
mount_pack "$scratch/tree.quire" "$scratch/mnt"

ls -U "$scratch/mnt/many" | sort >"$scratch/listed"
assert_equal "$(wc -l <"$scratch/listed")" "$entries" 'names listed'
ls -U "$scratch/tree/many" | sort | cmp - "$scratch/listed"
same_metadata "$scratch/tree" "$scratch/mnt"
same_content "$scratch/tree" "$scratch/mnt"
for i in 0 100 $((entries / 2)) $((entries - 100)); do
  assert_equal "$(cat "$scratch/mnt/many/sample $i")" "$i"
done
for name in sample 'sample ' "sample $entries" 'sample 00' z ' '; do
  [ ! -e "$scratch/mnt/many/$name" ] || fail "'$name' is found"
done

# Listing goes on from where it was: in small steps, after a rewind, and while another lists as well.
python3 - "$scratch/mnt/many" "$entries" <<'PYTHON'
import os, sys
a, b = os.scandir(sys.argv[1]), os.scandir(sys.argv[1])
first = [next(a).name for _ in range(1000)]
again = [next(b).name for _ in range(1000)]
assert first == again
assert len(set(first) | {e.name for e in a}) == int(sys.argv[2])
fd = os.open(sys.argv[1], os.O_RDONLY)
for _ in range(2): assert len(set(os.listdir(fd))) == int(sys.argv[2])  # listdir of a descriptor rewinds it
PYTHON
pass
