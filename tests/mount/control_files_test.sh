#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a mount tells of itself in .quire/stats, which every program can read and none meets by accident.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

tree=$scratch/tree
mnt=$scratch/mnt
stats=$mnt/.quire/stats
make_samples "$tree" 3 20 5000
pack "$tree" -o "$tree.quire"
mount_pack "$tree.quire" "$mnt"

# Hidden: nobody who lists or walks the tree meets it, and its inodes are nobody else's.
assert_equal "$(ls -A "$mnt")" "$(ls -A "$tree")"
assert_equal "$(cd "$mnt" && find . | sort)" "$(cd "$tree" && find . | sort)"
diff -r "$tree" "$mnt"
assert_equal "$(find "$mnt" "$mnt/.quire" -printf '%i\n' | sort | uniq -d)" '' 'inodes that two files have'

# Found by name: a folder for who mounted, and a file to read, by every way to look at them.
assert_equal "$(stat -c '%F %a %h' "$mnt/.quire")" 'directory 500 2'
assert_equal "$(stat -c '%F %a %h' "$stats")" 'regular file 444 1'
[ "$(stat -c %s "$stats")" -gt 500 ] || fail 'the size of the stats is not that of their content'
assert_equal "$(stat -c %u:%g "$stats")" "$(id -u):$(id -g)"
assert_equal "$(ls -a "$mnt/.quire")" $'.\n..\nactivity\nconfig\nmetrics\npages\nplan\nstats\ntrace\nversion'
ls -la "$mnt/.quire" | grep -q '^-r--r--r-- .* stats$' || fail "ls -la: $(ls -la "$mnt/.quire")"
assert_equal "$(cd "$mnt" && find .quire -printf '%p %y\n')" $'.quire d\n.quire/activity f\n.quire/config f\n.quire/metrics f\n.quire/pages f\n.quire/plan p\n.quire/stats f\n.quire/trace p\n.quire/version f'
assert_equal "$(cd "$mnt/.quire/.." && pwd -P)" "$mnt"
assert_equal "$(getfattr -d -m - "$mnt/.quire" "$stats" 2>&1)" ''
assert_exit 1 getfattr -n user.none "$stats"
assert_says 'no such attribute'
for name in none "$mnt" .quire; do assert_exit 1 stat "$mnt/.quire/${name##*/}"; done
assert_says 'no such file'
assert_exit 1 stat "$mnt/000/.quire"
assert_exit 1 touch "$stats"
assert_says 'read-only'
assert_exit 1 bash -c 'echo >"$1/.quire/new"' - "$mnt"
assert_says 'read-only'

# What it tells. A name that was looked up a moment ago stands for what it told then.
grep_json() {
  sleep 0.11
  json "$1" <"$stats"
}
assert_equal "$(grep_json 'd["pack"]')" "$tree.quire"
assert_equal "$(grep_json '0 < d["uptime_s"] < 300')" True
assert_equal "$(grep_json 'd["parked_requests"], d["failed_requests"]')" '(0, 0)'
assert_equal "$(grep_json '[type(line).__name__ for line in d["cache"]] == ["str"] * len(d["cache"]) and len(d["cache"]) > 0')" True
assert_equal "$(grep_json 'd["slots"] >= 2 and d["resident_pages"] >= 0')" True
assert_equal "$(grep_json '[bucket["from_us"] for bucket in d["fill_latency"]][:4], d["fill_latency"][-1]["below_us"]')" '([0, 2, 4, 8], None)'
assert_equal "$(grep_json 'all(a["below_us"] == b["from_us"] for a, b in zip(d["fill_latency"], d["fill_latency"][1:]))')" True
assert_equal "$(grep_json 'sorted(d["cost_model"])')" "['ns_per_byte', 'ns_per_request']"
reads='sum(d["counters"][name] for name in ("hits", "joined", "fill_misses", "bypasses"))'
assert_equal "$(grep_json "abs(d['hit_ratio'] - d['counters']['hits'] / $reads) < 1e-9")" True
# It counts: after a fresh mount nothing, then every file that the kernel had to ask for, which are all where none is pushed.
umount_pack "$mnt"
mount_pack "$tree.quire" "$mnt" -o push=off
assert_equal "$(grep_json "d['hit_ratio'], $reads")" '(None, 0)'
cat "$mnt"/001/*.bin >/dev/null
# Reads that join a fill count no bytes: these files have 5000 each.
bytes="d['counters']['hit_bytes'] + d['counters']['missed_bytes'] + 5000 * d['counters']['joined']"
assert_equal "$(grep_json "$reads >= 20, $bytes >= 100000")" '(True, True)'

# Whoever has it open reads of one moment, however it is read, while others open it anew.
python3 - "$mnt" <<'PYTHON'
import errno, json, os, sys, time
mount = sys.argv[1]
path = mount + '/.quire/stats'
def served(text): return sum(json.loads(text)['counters'][kind] for kind in ('hit_bytes', 'missed_bytes'))
first, pieces = os.open(path, os.O_RDONLY), []
while piece := os.read(first, 7):
    pieces.append(piece)
    if len(pieces) % 50 == 1: open(f'{mount}/002/{len(pieces) // 50 % 20:05}.bin', 'rb').read()
before = b''.join(pieces)
time.sleep(0.11)
second = open(path).read()
assert served(second) > served(before), 'a later open does not tell of later reads'
assert os.pread(first, 1 << 20, 0) == before, 'a handle changed its mind'
assert os.pread(first, 10, 5) == before[5:15]
assert os.pread(first, 10, len(before)) == os.pread(first, 10, 1 << 40) == b''
assert os.fstat(first).st_size == len(before)
assert (os.lseek(first, 5, os.SEEK_DATA), os.lseek(first, 5, os.SEEK_HOLE)) == (5, len(before))
try: os.lseek(first, len(before), os.SEEK_DATA); sys.exit('SEEK_DATA found data behind the end')
except OSError as error: assert error.errno == errno.ENXIO, error
os.close(first)
PYTHON
cp "$stats" "$scratch/copy"
assert_equal "$(json 'd["pack"]' <"$scratch/copy")" "$tree.quire"
dd if="$stats" bs=3 status=none | json 'd["slots"]' >/dev/null || fail 'dd of the stats'
dd if="$stats" iflag=direct bs=4096 status=none | json 'd["slots"]' >/dev/null || fail 'dd of the stats with O_DIRECT'
umount_pack "$mnt"

# With others let in, it is still for who mounted, and root; control=all is for everybody.
if is_root; then
  make_ordinary_user
  mount_pack "$tree.quire" "$mnt" -o allow_other
  as_user cat "$mnt/000/00000.bin" >/dev/null || fail 'allow_other lets nobody in'
  for action in 'cat "$1/stats"' 'echo >"$1/plan"' 'ls "$1"' 'stat "$1/stats"'; do
    assert_fails timeout 10 runuser -u "$user" -- bash -c "$action" - "$mnt/.quire"
    assert_says 'permission denied'
  done
  json 'd["schema"]' <"$stats" >/dev/null || fail 'root cannot read the figures'
  umount_pack "$mnt"
  mount_pack "$tree.quire" "$mnt" -o allow_other,control=all
  assert_equal "$(stat -c '%F %a %h' "$mnt/.quire")" 'directory 555 2'
  as_user cat "$stats" | json 'd["schema"]' >/dev/null || fail 'control=all does not let others read the figures'
  as_user timeout 10 bash -c 'echo 000/00000.bin >"$1"' - "$mnt/.quire/plan" || fail 'control=all does not let others write plans'
  until_true 10 eval "[ \"\$(sleep 0.11; json 'd[\"plan\"][\"told\"]' <'$stats')\" = 1 ]" || fail 'the plan of another user was not heard'
  umount_pack "$mnt"
fi

# A pack's own entry comes first; there are no control files then, and the log says so.
mkdir "$tree/.quire" && echo own >"$tree/.quire/stats"
pack "$tree" -o "$tree.quire" --force
"$QUIRE" mount -f "$tree.quire" "$mnt" 2>"$scratch/log" &
background+=($!)
until_true 10 is_mounted "$mnt" || fail "$(cat "$scratch/log")"
diff -r "$tree" "$mnt"
assert_equal "$(cat "$stats")" own
assert_equal "$(ls -A "$mnt")" "$(ls -A "$tree")"
assert_equal "$(grep -c 'no control files' "$scratch/log")" 1
umount_pack "$mnt"
pass
