#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: 64 readers of the smallest cache get the right bytes and get on, whatever plans, pushes, listings, dropped
# caches, lazy unmounts and new mounts happen beside them; and what a daemon holds does not grow. QUIRE_SOAK_S=N does
# it for N seconds, QUIRE_SOAK_CHART=FILE.svg draws what the daemon held. With a QUIRE that was built with a sanitizer,
# its reports are failures too.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse
is_root || skip 'needs root: caches are dropped'

seconds=${QUIRE_SOAK_S:-$(trust_seconds 20)}
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
# What was freed AddressSanitizer keeps back, 256 MiB as it comes, which grow for minutes: of 16 it has soon taken all.
export ASAN_OPTIONS=log_path=$reports:quarantine_size_mb=16 UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports
smallest=cache_size=8M
options=("$smallest,push=on" "$smallest,push=auto" "$smallest,push=on,admit=page" "$smallest,push=auto,io=threads")
daemons() { pgrep -f -- "quire mount.*$mnt" | wc -l; }
status=0
# soak OPTION...: half of the time.
soak() {
  local told=$scratch/told
  QUIRE=$QUIRE DRAW_CHART=$(dirname "$QUIRE")/draw_chart python3 "$support/soak.py" "$tree" "$mnt" \
    --seconds $((seconds / 2)) --drop-caches "$@" >"$told" 2>&1 || status=$?
  cat "$told"
  [ $status -ne 0 ] || tally "$(sed -n 's/ opens by .*//p' "$told")" 'opens of samples by 64 readers, every byte compared'
}

mount_pack "$tree.quire" "$mnt" -o "${options[0]}"
soak --remount "$tree.quire" --options "${options[@]}"
# The daemons of the mounts that were taken away have ended with their last reader.
[ $status -ne 0 ] || until_true 30 eval '[ "$(daemons)" -eq 1 ]' || fail "$(daemons) daemons of one mount"
if [ $status -eq 0 ]; then
  umount_pack "$mnt"
  mount_pack "$tree.quire" "$mnt" -o "${options[0]}"
  soak --trend "$(daemon_of_mount "$mnt")" ${QUIRE_SOAK_CHART:+--chart "$QUIRE_SOAK_CHART"}
fi
if [ $status -eq 0 ]; then
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
