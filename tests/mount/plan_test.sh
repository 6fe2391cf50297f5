#!/bin/bash
# Goal: any program can tell the order of the samples to come, in each form that fs/PLANS.md names; the mount goes ahead of
# the readers, and whatever it is told, it serves the right bytes and can be unmounted.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

tree=$scratch/tree
mnt=$scratch/mnt
plan=$mnt/.quire/plan
make_samples "$tree" 10 100 20000
mkdir "$tree/odd"
printf 'a newline' >"$tree/odd/$(printf 'a\nb')"
ln -s ../000/00000.bin "$tree/odd/symlink"
pack "$tree" -o "$tree.quire"
list() { (cd "$tree" && find . -type f -name '*.bin' | shuf); }

stat_of() { sleep 0.11; json "$1" <"$mnt/.quire/stats"; }
told() { [ "$(stat_of 'd["plan"]["told"], d["plan"]["unknown"]')" = "($1, $2)" ]; }
# remount OPTION...: anew, and listed.
remount() {
  ! is_mounted "$mnt" || umount_pack "$mnt"
  mount_pack "$tree.quire" "$mnt" "$@"
  ls -lR "$mnt" >/dev/null
}
assert_told() { until_true 10 told "$1" "$2" || fail "line ${BASH_LINENO[0]}: told $1, unknown $2 is not $(stat_of 'd["plan"]')"; }
# read_along ORDER: reads the samples of a list, and compares each.
read_along() { while IFS= read -r path; do cmp "$tree/$path" "$mnt/$path"; done; }

# A pipe that everybody may write to, and no listing shows.
remount
assert_equal "$(stat -c '%F %a' "$plan")" 'fifo 622'
assert_equal "$(ls -A "$mnt")" "$(ls -A "$tree")"

# It is for writing: whoever reads it finds its end at once.
assert_equal "$(timeout 10 cat "$plan" || echo waits)" '' 'what cat finds in the pipe'
timeout 10 python3 - "$plan" <<'PYTHON' || fail 'a reader hangs'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
how = struct.pack('<QQQ', os.O_RDONLY, 0, 0)
reader = libc.syscall(437, -100, os.fsencode(sys.argv[1]), how, len(how))
assert reader >= 0 and os.read(reader, 100) == b'', os.strerror(ctypes.get_errno())
assert os.read(os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK), 100) == b''
os.close(os.open(sys.argv[1], os.O_RDWR))
PYTHON

# Lines, as any shell writes them; with what names no sample among them, of which the log tells.
{ list; printf '/000/00001.bin\n%s/001/00001.bin\n\nodd/symlink\nno/such\nodd\n' "$mnt"; } >"$plan"
assert_told 1003 2
# The same again, appended in pieces while it is open.
list >"$scratch/order"
{ head -n 500 "$scratch/order"; sleep 0.2; tail -n 500 "$scratch/order"; } >"$plan"
assert_told 2003 2
# NUL: names with newlines.
(cd "$tree" && find . -type f -print0) >"$plan"
assert_told 3004 2
# Binary, from the inode numbers that stat tells.
python3 - "$mnt" <<'PYTHON'
import os, struct, sys
mount = sys.argv[1]
inodes = [os.stat(os.path.join(folder, name)).st_ino for folder, _, names in os.walk(mount) for name in names if name.endswith('.bin')]
with open(mount + '/.quire/plan', 'wb') as pipe:
    pipe.write(b'\0inodes\n' + struct.pack(f'<{len(inodes) + 2}Q', *inodes, 0, 2 ** 64 - 1))
PYTHON
assert_told 4004 4
# By cp and dd as well.
list >"$scratch/order" && cp "$scratch/order" "$plan" && assert_told 5004 4
dd if="$scratch/order" of="$plan" status=none && assert_told 6004 4

# Readers who follow: nearly all is there before they ask.
remount -o cache_size=16M
await_memory "$mnt"
list >"$scratch/order"
cat "$scratch/order" >"$plan"
assert_told 1000 0
read_along <"$scratch/order"
assert_equal "$(stat_of 'd["plan"]["unexpected_reads"], d["plan"]["forgotten_plans"]')" '(0, 0)'
assert_equal "$(stat_of 'd["plan"]["prefetched"] + d["plan"]["overtaken"] == 1000 and d["plan"]["expected_reads"] > 0')" True
# A sanitized daemon does not keep ahead of its readers.
is_sanitized asan tsan || assert_equal "$(stat_of 'd["push"]["samples"] > 500 and d["plan"]["expected_reads"] < 500')" True

# Readers who leave it: it ends, and a later one is followed.
remount -o push=off
(cd "$tree" && ls 00[01]/*) >"$plan"
assert_told 200 0
read_along < <(cd "$tree" && ls 00[2-7]/*)
assert_equal "$(stat_of 'd["plan"]["forgotten_plans"], d["plan"]["left"]')" '(1, 0)'
(cd "$tree" && ls 00[89]/*) >"$plan"
assert_told 400 0
read_along < <(cd "$tree" && ls 00[89]/*)
assert_equal "$(stat_of 'd["plan"]["forgotten_plans"], d["plan"]["left"]')" '(1, 0)'
assert_equal "$(stat_of 'd["plan"]["expected_reads"] > 100')" True

# A plan that is far too long: what it costs is bounded, it does not take the place of the next, and its memory is given
# back. 32 MiB for its places and 2 to find them by; 12 while the cache is told of it. A sanitizer needs more and keeps it.
remount -o cache_size=16M,push=off
resident_kib() { awk '$1 == "RssAnon:" {print $2}' "/proc/$(daemon_of_mount "$mnt")/status"; }
before=$(resident_kib)
python3 - "$mnt" <<'PYTHON'
import array, os, sys
mount = sys.argv[1]
inodes = array.array('Q', [os.stat(os.path.join(folder, name)).st_ino for folder, _, names in os.walk(mount + '/000') for name in names])
with open(mount + '/.quire/plan', 'wb') as pipe:
    pipe.write(b'\0inodes\n')
    for _ in range(95): pipe.write((inodes * 1000).tobytes())
PYTHON
assert_told 9500000 0
assert_equal "$(stat_of 'd["plan"]["ignored"]')" $((9500000 - 8388608)) 'ignored'
sleep 1
grown=$(($(resident_kib) - before))
[ $grown -lt 60000 ] || is_sanitized asan tsan || fail "a plan of 9.5 million samples takes $grown KiB"
[ "$(stat_of 'd["plan"]["memory_bytes"]')" -lt 37000000 ] || fail "memory of the plan: $(stat_of 'd["plan"]')"
(cd "$tree" && ls 00[1-9]/*) >"$plan"
assert_told 9500900 0
assert_equal "$(stat_of 'd["plan"]["ignored"]')" $((9500000 - 8388608)) 'ignored of the next plan'
read_along < <(cd "$tree" && ls 00[1-9]/*)
assert_equal "$(stat_of 'd["plan"]["forgotten_plans"]')" 1
assert_equal "$(stat_of 'd["plan"]["left"], d["plan"]["expected_reads"] > 0')" '(0, True)'
is_given_back() { [ $(($(resident_kib) - before)) -lt 16000 ]; }
is_sanitized asan tsan || until_true 10 is_given_back || fail "of the plan $(($(resident_kib) - before)) KiB are left: $(stat_of 'd["plan"]')"

# Writers side by side, garbage, and one that is killed: everything is served, nothing hangs.
remount
for i in 1 2 3; do list >"$plan" & background+=($!); done
head -c 300000 /dev/urandom >"$plan"
(exec 6>"$plan"; printf 'half a path' >&6)
diff -r "$tree" "$mnt"

# Whoever only looks at it does not keep the mount from being taken away, nor does a plan that nobody has followed.
list >"$plan"
wait
ls -la "$mnt/.quire" >/dev/null
umount_pack "$mnt"

# SIGTERM in the middle of a plan that is being written.
mkdir -p "$mnt"
"$QUIRE" mount -f "$tree.quire" "$mnt" 2>"$scratch/log" &
daemon=$!
background+=($daemon)
until_true 10 is_mounted "$mnt" || fail "$(cat "$scratch/log")"
ls -lR "$mnt" >/dev/null
(exec 7>"$plan"; while list >&7; do :; done) 2>/dev/null &
writer=$!
background+=($writer)
until_true 10 eval '[ "$(stat_of "d[\"plan\"][\"told\"]")" -gt 1000 ]' || fail 'the plan does not arrive'
kill -TERM $daemon
until_true 10 gone $daemon || fail 'the daemon does not end'
status=0
wait $daemon || status=$?
assert_equal $status 0 'exit status of the daemon'
! is_mounted "$mnt" || fail 'still mounted'
kill $writer 2>/dev/null || true

# The sampler of the document, word for word.
awk '/^```python$/ {inside = 1; next} /^```$/ {inside = 0} inside' "$support/../../fs/PLANS.md" >"$scratch/planned_sampler.py"
remount -o cache_size=16M
PYTHONPATH=$scratch PYTHONDONTWRITEBYTECODE=1 python3 - "$mnt" <<'PYTHON'
import os, sys
from planned_sampler import PlannedSampler
mount = sys.argv[1]
paths = sorted(os.path.join(folder, name) for folder, _, names in os.walk(mount) for name in names)
sampler = PlannedSampler(paths, mount)
epochs = [list(sampler), list(sampler)]
assert epochs[0] != epochs[1] and sorted(epochs[0]) == sorted(epochs[1]) == list(range(len(sampler)))
for index in sampler:
    open(paths[index], 'rb').read()
PlannedSampler(paths, '/nonexistent').tell(b'')  # no mount: nothing happens
PYTHON
assert_told 3006 0
umount_pack "$mnt"
pass
