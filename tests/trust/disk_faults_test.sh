#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: on a disk that fails at random no reader ever gets a wrong byte: what passes is not seen, what does not is an
# error of the samples that it hit and of nothing else, is counted and logged, and is forgotten with the fault. Nor
# whatever becomes of the pack itself.
# QUIRE_SEED replays a run.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse
seed=$(trust_seed)
seconds=$(trust_seconds 10)
echo "QUIRE_SEED=$seed"

# Samples of some 100 KB in a dozen pages, more than the smallest cache has; and names enough for ten blocks of the index.
python3 - "$scratch/tree" <<'PYTHON'
import os, random, sys
chance = random.Random(1)
os.makedirs(sys.argv[1] + '/s')
for number in range(240):
    with open(f'{sys.argv[1]}/s/{number:04}.bin', 'wb') as file: file.write(chance.randbytes(chance.randrange(100, 200_000)))
for folder in range(3):
    os.makedirs(f'{sys.argv[1]}/names/{folder}')
    for number in range(800): open(f'{sys.argv[1]}/names/{folder}/{number:0200}', 'w').write(f'{folder} {number}')
PYTHON
pack "$scratch/tree" -o "$scratch/tree.quire"
start_slow_disk "$scratch/tree.quire" "$scratch/disk"
mnt=$scratch/mnt
mkdir "$mnt"
mounts+=("$mnt")
asleep_s=2
[ "$seconds" -le 60 ] || asleep_s=25
run() {
  python3 "$support/$1.py" "$QUIRE" "$scratch/tree" "$scratch/tree.quire" "${@:2}" >"$scratch/counts" || {
    cat "$scratch/counts" >&2
    fail "$1: QUIRE_SEED=$seed"
  }
  while IFS=$'\t' read -r count what; do tally "$count" "$what"; done <"$scratch/counts"
}
run disk_faults "$slow_pack" "$slow_rules" "$mnt" "$scratch/log" "$seconds" "$seed" "$asleep_s"

make_samples "$scratch/other" 2 10 500
pack "$scratch/other" -o "$scratch/other.quire"
mkdir "$scratch/fates"
mounts+=("$scratch/fates")
run pack_fates "$scratch/other.quire" "$scratch/fates" "$mnt" "$scratch/log" "$((seconds / 2))" "$seed"
if is_root; then
  run pack_fates "$scratch/other.quire" "$scratch/fates" "$mnt" "$scratch/log" "$((seconds / 10))" "$seed" small
else
  leave_out 'a full disk: only root can make a small one'
fi
pass
