#!/bin/bash
# Goal: hundreds of mounts and unmounts, and daemons killed while they are read from, leave nothing behind and nothing
# that the next mount does not put right.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse
mounts_and_ends=${QUIRE_CHURN_ROUNDS:-200}
kills=${QUIRE_CHURN_KILLS:-50}

pack=$scratch/tree.quire
mnt=$scratch/mnt
make_samples "$scratch/tree" 4 50 20000
pack "$scratch/tree" -o "$pack"
mkdir "$mnt"
mounts+=("$mnt")

processes() { pgrep -f -- "quire.* $scratch" | wc -l; }
connections() { ls /sys/fs/fuse/connections 2>/dev/null | wc -l; }
# What the kernel holds for us: open files of all processes, which a daemon's end gives back.
connections_before=$(connections)
shell_files=$(ls /proc/$$/fd | wc -l)

for ((round = 0; round < mounts_and_ends; ++round)); do
  quire mount "$pack" "$mnt" -o cache_size=8M || fail "mount $round"
  cmp "$scratch/tree/00$((round % 4))/00007.bin" "$mnt/00$((round % 4))/00007.bin"
  case $((round % 3)) in
    0) quire umount "$mnt" ;;
    1) fusermount3 -u "$mnt" ;;
    2) kill -TERM "$(daemon_of_mount "$mnt")" && until_true 10 eval "! is_mounted '$mnt'" ;;
  esac || fail "end of mount $round"
done
until_true 10 eval '[ "$(processes)" -eq 0 ]' || fail "$(processes) processes are left: $(pgrep -fa -- "$scratch")"
! is_mounted "$mnt" || fail 'a mount is left'
until_true 10 eval '[ "$(connections)" -le "$connections_before" ]' || fail "$(connections) connections of FUSE, $connections_before before"
assert_equal "$(ls /proc/$$/fd | wc -l)" "$shell_files" 'descriptors of the caller'
[ -z "$(find "$scratch" /dev/shm /run -xdev -maxdepth 1 -name '*quire*' -newer "$pack" ! -path "$scratch/*" ! -path "$scratch" 2>/dev/null)" ] || fail 'files are left'

# Readers go on while the daemon is killed: they get errors, never wrong bytes, and the next mount takes the place.
cat >"$scratch/reader.py" <<'PYTHON'
import os, random, sys, time
tree, mnt = sys.argv[1:]
names = [os.path.relpath(os.path.join(top, name), tree) for top, _, files in os.walk(tree) for name in files]
wanted = {name: open(f'{tree}/{name}', 'rb').read() for name in names}
while True:
    name = random.choice(names)
    try:
        with open(f'{mnt}/{name}', 'rb', buffering=0) as file:
            got = file.read(len(wanted[name]))
    except OSError:
        time.sleep(0.005)  # there is no mount: its maker wants the core
        continue
    # A read that the end of the daemon cut short is short; what came is right.
    if not wanted[name].startswith(got): sys.exit(f'wrong bytes: {name}')
PYTHON
readers=()
for ((round = 0; round < kills; ++round)); do
  quire mount "$pack" "$mnt" -o cache_size=8M 2>"$scratch/err" || { cat "$scratch/err" >&2; fail "mount after kill $round"; }
  cmp "$scratch/tree/000/00001.bin" "$mnt/000/00001.bin"
  if [ $round -eq 0 ]; then
    for _ in 1 2; do
      python3 "$scratch/reader.py" "$scratch/tree" "$mnt" &
      readers+=($!)
      background+=($!)
    done
  fi
  sleep 0.0$((RANDOM % 10))
  daemon=$(daemon_of_mount "$mnt")
  kill -KILL "$daemon"
  until_true 10 gone "$daemon" || fail "the daemon of round $round does not die"
done
for reader in "${readers[@]}"; do kill -0 "$reader" 2>/dev/null || fail 'a reader ended'; done
kill "${readers[@]}"
wait "${readers[@]}" 2>/dev/null || true
grep -q 'takes the place of' "$scratch/err" || fail 'no dead mount was replaced'
# The dead one is taken away as well, by quire and by what everybody knows.
assert_exit 0 quire umount "$mnt"
! is_mounted "$mnt" || fail 'the dead mount is still there'
until_true 10 eval '[ "$(connections)" -le "$connections_before" ]' || fail "$(connections) connections of FUSE are left, $connections_before before"
until_true 10 eval '[ "$(processes)" -eq 0 ]' || fail "processes are left: $(pgrep -fa -- "$scratch")"
tally "$mounts_and_ends" 'mounts and unmounts'
tally "$kills" 'daemons killed under readers'
pass
