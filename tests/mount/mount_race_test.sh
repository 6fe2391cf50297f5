#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: of commands that mount at one directory at the same moment one wins, and the others are told; after one umount
# nothing is mounted there.
. "$(dirname "$0")/../support/harness.sh"
need_fuse

mkdir -p "$scratch/first" "$scratch/second"
echo first >"$scratch/first/name"
echo second >"$scratch/second/name"
pack "$scratch/first" -o "$scratch/first.quire"
pack "$scratch/second" -o "$scratch/second.quire"
mnt=$scratch/mnt
mkdir "$mnt"
mounts+=("$mnt" "$mnt" "$mnt" "$mnt" "$mnt" "$mnt")
packs_at_mnt() { grep -cF " $mnt " /proc/self/mountinfo || true; }

# at_once COMMAND...: runs these lines of a shell at the same moment; their output in $scratch/said.N, their exit
# statuses in $statuses.
at_once() {
  local line processes=() i
  exec 8>"$scratch/start"
  flock 8
  for line; do
    (exec 8>&-; flock -s "$scratch/start" true; eval "$line") >"$scratch/said.${#processes[@]}" 2>&1 &
    processes+=($!)
  done
  sleep 0.2  # so that most of them wait; one that comes late harms nothing
  exec 8>&-
  statuses=()
  for i in "${!processes[@]}"; do
    statuses[i]=0
    wait "${processes[i]}" || statuses[i]=$?
  done
}

# one_won STATUS: one of at_once has succeeded, and the others say so, with this exit status.
one_won() {
  local i won=0
  for i in "${!statuses[@]}"; do
    if [ "${statuses[i]}" -eq 0 ]; then
      won=$((won + 1))
    else
      assert_equal "${statuses[i]}" "$1" "exit status; it said: $(cat "$scratch/said.$i")"
      grep -q "is mounted at '$mnt' already" "$scratch/said.$i" || fail "another message: $(cat "$scratch/said.$i")"
    fi
  done
  assert_equal $won 1 "commands that succeeded, of ${#statuses[@]}"
  assert_equal "$(packs_at_mnt)" 1 'mounts at the directory'
}

for round in 1 2 3 4 5; do
  one="quire mount '$scratch/first.quire' '$mnt'"
  two="quire mount '$scratch/second.quire' '$mnt' -o timeout=100"
  at_once "$one" "$two" "$one" "$two" "$one" "$two"
  one_won 1
  shown=$(cat "$mnt/name")
  [ "$shown" = first ] || [ "$shown" = second ] || fail "the mount shows '$shown'"
  [ $round -eq 1 ] || { umount_pack "$mnt"; assert_equal "$(packs_at_mnt)" 0 'mounts after umount'; continue; }
  # A mount without a daemon is replaced by one of them, and no living one is taken for it.
  kill -KILL "$(daemon_of_mount "$mnt")"
  until_true 10 eval "! ls '$mnt' >/dev/null 2>&1" || fail 'the daemon does not die'
  at_once "$one" "$two" "$one" "$two" "$one" "$two"
  one_won 1
  umount_pack "$mnt"
  assert_equal "$(packs_at_mnt)" 0 'mounts after umount'
done

# mount(8)'s helper beside the command, and a daemon in the foreground.
ln -s "$QUIRE" "$scratch/mount.quire"
for round in 1 2 3; do
  helper="'$scratch/mount.quire' '$scratch/first.quire' '$mnt' -o ro"
  foreground="timeout --foreground --preserve-status 3 '$QUIRE' mount -f '$scratch/second.quire' '$mnt'"
  at_once "$helper" "$one" "$helper" "$foreground" "$two"
  won=0
  for i in "${!statuses[@]}"; do [ "${statuses[i]}" -ne 0 ] || won=$((won + 1)); done
  [ $won -eq 1 ] || { tail -n 3 "$scratch"/said.*; fail "$won of ${#statuses[@]} have succeeded: ${statuses[*]}"; }
  ! is_mounted "$mnt" || umount_pack "$mnt"
  assert_equal "$(packs_at_mnt)" 0 'mounts after umount'
done

# Several umounts at once: all but one say that there is no mount, or wait for the same end.
quire mount "$scratch/first.quire" "$mnt"
at_once "quire umount '$mnt'" "quire umount '$mnt'" "quire umount '$mnt'"
for i in "${!statuses[@]}"; do
  [ "${statuses[i]}" -eq 0 ] || grep -q 'is not a mount point' "$scratch/said.$i" || fail "umount: $(cat "$scratch/said.$i")"
done
assert_equal "$(packs_at_mnt)" 0 'mounts after several umounts'

# A pack beneath another, as mount --bind makes it: umount says that it is there.
if is_root; then
  mkdir "$scratch/other"
  mount_pack "$scratch/first.quire" "$mnt"
  mount_pack "$scratch/second.quire" "$scratch/other"
  mount --bind "$scratch/other" "$mnt"
  assert_exit 1 quire umount "$scratch/other"
  assert_says "a copy of it is mounted at '$mnt'"
  assert_exit 1 quire umount "$mnt"
  assert_says "'$scratch/first.quire' is still mounted at '$mnt'"
  umount_pack "$mnt"
fi
pass
