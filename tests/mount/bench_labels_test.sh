#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: `quire bench` calls cold what came from below all caches and nothing else: not what a daemon, memory or a cached image served.
. "$(dirname "$0")/../support/harness.sh"
need_fuse
is_root || skip 'it takes root to drop caches, to limit memory and disks, and for loop devices'
[ -w /proc/sys/vm/drop_caches ] || skip 'caches cannot be dropped here'

tree=$scratch/tree
mkdir "$tree"
for i in $(seq 200); do head -c 100000 /dev/urandom >"$tree/$i"; done
pack "$tree" -o "$scratch/tree.quire"
bytes=20000000

# labels FIELD COMMAND...: a field of each result.
labels() {
  local field=$1
  shift
  quire bench "$@" --json - 2>/dev/null | json "[r[\"$field\"] for r in d[\"results\"]]"
}
drop_caches() { sync && echo 3 >/proc/sys/vm/drop_caches; }

# A disk: cold from below, warm after that, and the bytes are those that were read.
assert_equal "$(labels cache epoch "$tree" --cold --epochs 1)" "['cold']" 'a directory whose caches were dropped'
assert_equal "$(labels cache epoch "$tree" --epochs 2)" "['warm', 'warm']" 'a directory that was read before'
assert_equal "$(labels prepared epoch "$tree" --epochs 2)" "['nothing', 'an epoch before']"
result=$(quire bench epoch "$tree" --cold --epochs 1 --json - 2>/dev/null)
assert_equal "$(json "$bytes <= d['results'][0]['disk_bytes'] < 1.2 * $bytes" <<<"$result")" True "$result"
assert_equal "$(json 'd["settings"]["disk_bytes_counted_by"]' <<<"$result")" 'I/O of the readers'

# A tar that is read by an index: making that reads some of it, which is not left in the cache.
if [ -x "$(dirname "$QUIRE")/store_epoch" ]; then
  tar -C "$tree" -cf "$scratch/tree.tar" .
  assert_equal "$("$(dirname "$QUIRE")/store_epoch" epoch "$scratch/tree.tar" --cold --epochs 1 --json - 2>/dev/null | json '[r["cache"] for r in d["results"]]')" "['cold']" 'a tar by an index'
else
  leave_out 'a tar by an index: store_epoch is not built'
fi

# Memory.
if mkdir -p "$scratch/memory" && mount -t tmpfs none "$scratch/memory"; then
  mounts+=("$scratch/memory")
  cp "$tree/1" "$tree/2" "$scratch/memory"
  assert_equal "$(labels cache epoch "$scratch/memory" --cold --epochs 1)" "['memory']"
  assert_equal "$(labels cache meta "$scratch/memory" | tr -d "[]' " | tr , '\n' | sort -u)" memory
  assert_equal "$(labels cache io "$scratch/memory" --quick --seconds 1 | tr -d "[]' " | tr , '\n' | sort -u | head -1)" memory
fi

# A mount: the first epoch comes from the disk. Then its daemon holds all samples, which dropping the caches does not change.
mount_pack "$scratch/tree.quire" "$scratch/mnt" -o push=off,cache_size=64M
assert_equal "$(labels cache epoch "$scratch/mnt" --cold --epochs 1)" "['cold']" 'a new mount'
output=$(quire bench epoch "$scratch/mnt" --cold --epochs 2 2>/dev/null)
grep -q '^  1 warm ' <<<"$output" && grep -q '^  2 warm ' <<<"$output" || fail "held by the daemon, and not warm: $output"
assert_says 'yet epoch 1 was not cold' 'mount anew'
# Its index lies in the daemon's memory as well, or in the kernel's after the first walk.
assert_equal "$(labels cache meta "$scratch/mnt" --cold | tr -d "[]' " | tr , '\n' | sort -u)" warm
output=$(quire bench meta "$scratch/mnt" --cold 2>/dev/null)
assert_says 'from its own memory' 'Mount anew'
# What it computes for them is what the kernel says that it did.
if grep -q fuse_connection /proc/"$(daemon_of "$scratch/tree.quire")"/fdinfo/* 2>/dev/null; then
  ticks() { awk '{print $14 + $15}' "/proc/$(daemon_of "$scratch/tree.quire")/stat"; }
  before=$(ticks)
  result=$(quire bench epoch "$scratch/mnt" --cold --epochs 20 --json - 2>/dev/null)
  spent=$(($(ticks) - before))
  told=$(json 'sum(r["daemon_cpu_seconds"] for r in d["results"])' <<<"$result")
  # Less than all, since what it does between epochs is not measured; but copying 400 MB is a good part.
  awk -v told="$told" -v spent="$spent" -v hz="$(getconf CLK_TCK)" 'BEGIN {exit !(spent >= 5 && told <= (spent + 1) / hz && told >= spent / hz / 5)}' ||
    fail "the daemon computed $told s, says quire bench, and $spent ticks, says the kernel"
else
  leave_out 'the CPU time of a daemon: this kernel does not tell which process serves a mount'
fi
output=$(quire bench io "$scratch/mnt" --quick --seconds 2 --cold 2>/dev/null)
assert_says 'Not cold: ' 'daemon behind the mount'
umount_pack "$scratch/mnt"
assert_equal "$(labels cache meta "$tree" --cold | tr -d "[]' " | cut -d, -f1-2)" cold,warm 'the names of a directory'

# A second epoch for which memory did not suffice came from the disk again, and is not warm.
if make_memory_group 12M; then
  drop_caches
  result=$(in_memory_group "$QUIRE" bench epoch "$tree" --order path --threads 1 --epochs 2 --json - 2>/dev/null)
  assert_equal "$(json 'd["results"][1]["cache"]' <<<"$result")" cold "an epoch of more than fits into memory: $result"
else
  leave_out 'an epoch of more than fits into memory: no control group can be made'
fi

# A loop device reads a file that is cached: nothing comes from the disk, though the file system on it is mounted anew.
truncate -s 64M "$scratch/image" && mkfs.ext4 -q "$scratch/image" && mkdir "$scratch/loop"
if mount -o loop "$scratch/image" "$scratch/loop" 2>/dev/null; then
  mounts+=("$scratch/loop")
  cp "$tree"/1?? "$scratch/loop"
  cat "$scratch/image" >/dev/null
  # Below a loop device the disk's own reads are counted, which other programs move as well: so it may take another try.
  is_warm() {
    umount "$scratch/loop" && mount -o loop "$scratch/image" "$scratch/loop" || return 1
    [ "$(labels cache epoch "$scratch/loop" --epochs 1)" = "['warm']" ]
  }
  until_true 60 is_warm || fail 'an image that is cached is never called warm'
  assert_equal "$(labels cache epoch "$scratch/loop" --cold --epochs 1)" "['cold']" 'an image that is not'
  umount "$scratch/loop"
else
  leave_out 'a loop device: there is none'
fi

# A disk that gives so much a second is measured to give that, and waiting for it is no computing.
if [ -e /sys/fs/cgroup/blkio/blkio.throttle.read_bps_device ] && disk=$(mountpoint -x "$(findmnt -no SOURCE --target "$scratch")" 2>/dev/null); then
  group=/sys/fs/cgroup/blkio/quire-test-$$
  mkdir "$group" && groups+=("$group")
  echo "$disk 10000000" >"$group/blkio.throttle.read_bps_device"
  result=$( (echo "$BASHPID" >"$group/cgroup.procs" && exec "$QUIRE" bench epoch "$tree" --cold --epochs 1 --threads 1 --json -) 2>/dev/null)
  assert_equal "$(json '(r := d["results"][0])["cache"] == "cold" and 7e6 < r["bytes_per_second"] < 11e6 and r["reader_cpu_seconds"] < 0.5 * r["seconds"]' <<<"$result")" \
    True "20 MB from a disk of 10 MB/s: $result"
  # Of what is read from it alone: what was read before comes from memory.
  head -c 70000000 /dev/urandom >"$scratch/large" && sync "$scratch/large"
  echo "$disk 20000000" >"$group/blkio.throttle.read_bps_device"
  result=$( (echo "$BASHPID" >"$group/cgroup.procs" && exec "$QUIRE" bench io "$scratch/large" --quick --seconds 8 --threads 2 --json -) 2>/dev/null)
  python3 - "$result" <<'PYTHON' || fail "a file on a disk of 20 MB/s: $result"
import json, sys
sequential = [r for r in json.loads(sys.argv[1])["results"] if r["experiment"] == "methods" and r["access"] == "sequential" and r["depth"] == 1]
evicted = [r for r in sequential if r["prepared"] == "evicted"]
before = [r for r in sequential if r["prepared"] == "read before"]
assert len(evicted) >= 2 and len(before) >= 2
assert all(r["cache"] == "cold" for r in evicted), evicted
# What came from the disk, readahead included, came at its rate; a throttle lets the first moments pass, which are some of the time of
# each measurement. Without it there are ten times as much.
rate = sum(r["disk_bytes"] for r in evicted) / sum(r["requests"] / r["requests_per_second_mean"] for r in evicted)
assert 5e6 < rate < 100e6, (rate, evicted)
for r in before:
    assert r["cache"] == "warm" and r["bytes_per_second_mean"] > 100e6, r
PYTHON
else
  leave_out 'a throttled disk: no control group of blkio'
fi
pass
