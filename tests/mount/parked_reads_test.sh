#!/bin/bash
# Goal: readers that wait for the disk keep nobody else waiting, neither other readers nor the end of the mount.
# Method: the disk is a mount as well, of a pack that holds the pack; while its daemon is stopped, it does not answer.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

readers=40  # far more than the threads of a mount
tree=$scratch/tree
mnt=$scratch/mnt
disk=$scratch/disk
ends=$scratch/ends  # of the readers: a file each, with the exit status
mkdir "$ends"
make_samples "$tree" 1 $((readers + 1)) 100000
mkdir "$scratch/holder" && pack "$tree" -o "$scratch/holder/tree.quire"
pack "$scratch/holder" -o "$scratch/disk.quire"

# mount_on_disk: mounts the pack that lies on the disk, has its index in memory, and stops the disk.
mount_on_disk() {
  mount_pack "$scratch/disk.quire" "$disk"
  disk_daemon=$(daemon_of "$scratch/disk.quire")
  mkdir -p "$mnt"
  mounts+=("$mnt")
  "$QUIRE" mount -f -o threads=2,admit=extent,readahead=off "$disk/tree.quire" "$mnt" 2>"$scratch/log" &
  daemon=$!
  until_true 10 is_mounted "$mnt" || { cat "$scratch/log"; fail 'mount -f does not mount'; }
  background+=("$daemon" "$disk_daemon")
  ls -lR "$mnt" >/dev/null
  cmp "$tree/000/00000.bin" "$mnt/000/00000.bin"
  kill -STOP "$disk_daemon"
}
# start_readers: one of each other file.
start_readers() {
  local i name
  rm -f "$ends"/*
  for ((i = 1; i <= readers; ++i)); do
    name=$(printf '%05d' $i)
    { status=0; cmp -s "$tree/000/$name.bin" "$mnt/000/$name.bin" 2>/dev/null || status=$?; echo $status >"$ends/$name"; } &
    background+=($!)
  done
}
parked() { json 'd["parked_requests"]' <"$mnt/.quire/stats"; }
# What io_uring held open is closed a little later than its process ends.
give_disk_back() { until_true 10 quire umount "$disk" || fail 'the pack is still in use'; }
ended() { find "$ends" -type f -size +0 | wc -l; }
# A few may find their file in what the kernel read ahead of the disk.
all_parked() { [ "$(timeout 5 cat "$mnt/.quire/stats" | json 'd["parked_requests"]')" -ge $((readers - $(ended))) ] && [ "$(ended)" -lt 10 ]; }
all_read() { [ "$(ended)" -eq $readers ]; }

# All of them park, and the mount goes on answering: what is in memory, names, and how many wait.
mount_on_disk
start_readers
until_true 20 all_parked || fail "$(parked) reads parked, not $readers"
timeout 5 ls -l "$mnt/000" >/dev/null || fail 'a listing waits for the disk'
kill -CONT "$disk_daemon"
until_true 20 all_read || fail 'readers wait although the disk answers'
assert_equal "$(cat "$ends"/* | sort -u)" 0 'exit status of the readers'
none_parked() { [ "$(parked)" -eq 0 ]; }
until_true 5 none_parked || fail "$(parked) reads parked, although all have ended"
umount_pack "$mnt"
give_disk_back

# SIGTERM while they wait: the mount is gone at once, the daemon as soon as the disk has answered, and no reader hangs.
mount_on_disk
start_readers
until_true 20 all_parked || fail "$(parked) reads parked, not $readers"
kill -TERM "$daemon"
until_true 10 eval "! is_mounted '$mnt'" || fail 'SIGTERM waits for the disk before it unmounts'
kill -CONT "$disk_daemon"
until_true 20 gone "$daemon" || fail 'the daemon outlives its mount'
status=0
wait "$daemon" || status=$?
assert_equal $status 0 'exit status of the daemon'
until_true 20 all_read || fail 'readers of a mount that is gone hang'
give_disk_back

# The same while a plan waits for the disk: of each of its samples the index is read, which is large here.
"${SYNTHETIC_PACK:-$repository/build/release/bin/synthetic_pack}" "$scratch/holder/tree.quire" 200000
pack --force "$scratch/holder" -o "$scratch/disk.quire"
mount_pack "$scratch/disk.quire" "$disk" -o push=off,readahead=off
disk_daemon=$(daemon_of "$scratch/disk.quire")
"$QUIRE" mount -f "$disk/tree.quire" "$mnt" 2>"$scratch/log" &
daemon=$!
background+=("$daemon" "$disk_daemon")
until_true 10 is_mounted "$mnt" || { cat "$scratch/log"; fail 'mount -f does not mount'; }
stat "$mnt/.quire/plan" >/dev/null
kill -STOP "$disk_daemon"
python3 - "$mnt" <<'PYTHON'
import random, struct, sys
inodes = random.Random(1).sample(range(2, 200000), 8000)  # less than the pipe holds
with open(sys.argv[1] + '/.quire/plan', 'wb') as pipe: pipe.write(b'\0inodes\n' + struct.pack(f'<{len(inodes)}Q', *inodes))
PYTHON
sleep 0.5
kill -TERM "$daemon"
until_true 10 eval "! is_mounted '$mnt'" || fail 'SIGTERM waits for the disk while a plan does'
kill -CONT "$disk_daemon"
until_true 20 gone "$daemon" || fail 'the daemon outlives its mount'
status=0
wait "$daemon" || status=$?
assert_equal $status 0 'exit status of the daemon'
give_disk_back
pass
