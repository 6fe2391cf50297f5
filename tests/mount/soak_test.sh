#!/bin/bash
# Goal: 64 readers of the smallest cache get the right bytes and get on, whatever plans, pushes, listings, dropped
# caches, lazy unmounts and new mounts happen beside them. QUIRE_SOAK_S=N does it for N seconds. With a QUIRE that was
# built with a sanitizer, its reports are failures too.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse
is_root || skip 'needs root: caches are dropped'

seconds=${QUIRE_SOAK_S:-20}
tree=$scratch/tree
mnt=$scratch/mnt
make_samples "$tree/small" 10 200 6000
make_samples "$tree/middle" 5 60 110000
make_samples "$tree/half" 2 20 700000
make_samples "$tree/large" 2 8 2500000  # each longer than a page
pack "$tree" -o "$tree.quire"

# Each daemon writes its own, when there is something to say.
reports=$scratch/sanitizer
export TSAN_OPTIONS=halt_on_error=0:log_path=$reports
export ASAN_OPTIONS=log_path=$reports UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports
smallest=cache_size=8M
options=("$smallest,push=on" "$smallest,push=auto" "$smallest,push=on,admit=page" "$smallest,push=auto,io=threads")
mount_pack "$tree.quire" "$mnt" -o "${options[0]}"
status=0
QUIRE=$QUIRE python3 "$support/soak.py" "$tree" "$mnt" --seconds "$seconds" --drop-caches \
  --remount "$tree.quire" --options "${options[@]}" || status=$?

# The daemons of the mounts that were taken away have ended with their last reader.
daemons() { pgrep -f -- "quire mount.*$mnt" | wc -l; }
if [ $status -eq 0 ]; then
  until_true 30 eval '[ "$(daemons)" -eq 1 ]' || fail "$(daemons) daemons of one mount"
  umount_pack "$mnt"
  until_true 30 eval '[ "$(daemons)" -eq 0 ]' || fail 'the daemon outlives its mount'
fi
shopt -s nullglob
for report in "$reports".*; do
  grep -v '^$' "$report" | head -n 200
  status=1
done
[ $status -eq 0 ] || fail 'see above'
pass
