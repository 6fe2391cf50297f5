#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: bench io measures directories, mounts, packs and files, reports plausible figures, writes nowhere but where it
# was told to, and refuses what it cannot measure with a remedy.
. "$(dirname "$0")/../support/harness.sh"
need_fuse

tree=$scratch/tree
pack=$scratch/tree.quire
mkdir -p "$tree/below"
for i in {1..40}; do head -c $((1000 + i)) /dev/urandom >"$tree/below/small $i"; done
head -c 50000 /dev/urandom >"$tree/medium"
head -c 70000000 /dev/urandom >"$tree/large"
touch "$tree/empty"
ln -s medium "$tree/symlink"
mkdir "$scratch/cwd" "$scratch/out"
listing() { find "$tree" "$scratch/cwd" -printf '%p %s %m %T@ %C@\n' | sort; }
before=$(listing)
cd "$scratch/cwd"
bench_io() { quire bench io --quick --seconds 3 "$@"; }

# check_figures FILE: what holds for every result, whatever was measured.
check_figures() {
  python3 - "$1" <<'PYTHON' || fail "$1: implausible figures"
import json, sys
document = json.load(open(sys.argv[1]))
results = [r for r in document["results"] if r["experiment"] != "cost model"]
assert {r["experiment"] for r in results} >= {"sequential reads", "random reads", "methods", "threads"}, results
for r in results:
    where = json.dumps(r)
    assert 1 <= r["rounds"] <= 100 and r["requests"] >= 1, where
    assert r["cache"] in ("cold", "partly cold", "warm", "memory", "unknown"), where
    if r["block_bytes"]:
        assert 0 < r["bytes"] <= r["requests"] * r["block_bytes"], where
        if r["experiment"] == "random reads" and r["block_bytes"] <= 1 << 20 and "MiB" in r["file_class"]:
            assert r["bytes"] == r["requests"] * r["block_bytes"], where
    if r["most_requests"]:
        assert r["requests"] <= r["most_requests"] * r["rounds"], where
    # A percentile has ten requests beyond it, or is none.
    for name, share in ("p50", 0.5), ("p90", 0.1), ("p99", 0.01), ("p999", 0.001):
        assert (r[f"latency_{name}_seconds"] is None) == (r["requests"] * share < 10 - 1e-6), (name, where)
    percentiles = [p for name in ("p50", "p90", "p99", "p999", "max") if (p := r[f"latency_{name}_seconds"]) is not None]
    assert 0 < percentiles[0] and percentiles == sorted(percentiles), where
    # What one reader was served in its rounds takes the time that its rates say, on average.
    if r["threads"] == 1 and r["depth"] == 1 and r["latency_p50_seconds"]:
        assert r["requests_per_second_max"] * r["latency_p50_seconds"] < 20, where
# As many at a time by io_uring as by threads.
at_a_time = {(r["method"], r["depth"]) for r in results if r["experiment"] == "methods"}
assert at_a_time >= {("read", 1), ("read", 32), ("mmap", 1)} and (("io_uring", 32) in at_a_time) == (("io_uring", 1) in at_a_time), at_a_time
assert document["insights"], document
PYTHON
}

# A directory: the text, JSON, CSV and a page.
bench_io "$tree" --json "$scratch/out/tree.json" --csv "$scratch/out/tree.csv" --report "$scratch/out/tree.html" \
  >"$scratch/out/text"
check_figures "$scratch/out/tree.json"
assert_equal "$(json 'len({r["file_class"] for r in d["results"] if r["experiment"] == "sequential reads"})' \
  <"$scratch/out/tree.json")" 3
assert_equal "$(json 'max(r["threads"] for r in d["results"] if "threads" in r) >= 4' <"$scratch/out/tree.json")" True
grep -q 'C = N\*U + R' "$scratch/out/text" || fail 'no cost model in the text, and no reason why there is none'
grep -q '<svg' "$scratch/out/tree.html" || fail 'no chart in the page'
assert_equal "$(head -c 10 "$scratch/out/tree.csv")" experiment
assert_equal "$(listing)" "$before" 'the tree and the current folder stay as they are'
assert_equal "$(find "$scratch/out" -type f | wc -l)" 4

# A file, a pack, a mount; JSON on standard output is nothing but JSON.
bench_io "$tree/large" --json - --threads 3 >"$scratch/large.json" 2>"$scratch/errors"
check_figures "$scratch/large.json"
assert_equal "$(json '[r["threads"] for r in d["results"] if r["experiment"] == "threads"]' <"$scratch/large.json")" \
  '[1, 2, 3]'
pack "$tree" -o "$pack"
bench_io "$pack" --json - >"$scratch/pack.json"
check_figures "$scratch/pack.json"
mount_pack "$pack" "$scratch/mnt"
bench_io "$scratch/mnt" --json - >"$scratch/mnt.json"
check_figures "$scratch/mnt.json"
output=$(json '"\n".join(d["insights"])' <"$scratch/mnt.json")
assert_says 'The kernel reads ahead'
umount_pack "$scratch/mnt"
assert_equal "$(listing)" "$before"

# Too little data for random reads is said; a scratch file is made only where it may be, and is gone afterwards.
mkdir "$scratch/little" "$scratch/work"
head -c 2400000 /dev/urandom >"$scratch/little/one"
assert_exit 0 quire bench io "$scratch/little" --quick --seconds 1 --json "$scratch/little.json"
assert_says 'Random reads and methods were not measured: .*2.3 MiB here, and 64.0 MiB are needed' --work
assert_equal "$(json 'sorted({r["experiment"] for r in d["results"]})' <"$scratch/little.json")" "['sequential reads', 'whole files']"
assert_exit 0 quire bench io "$scratch/little" --quick --seconds 2 --work "$scratch/work" --json "$scratch/little.json"
assert_equal "$(json '{r["file_class"] for r in d["results"] if r["experiment"] == "methods"}' <"$scratch/little.json")" "{'a scratch file'}"
assert_equal "$(find "$scratch/work" "$scratch/little" -type f)" "$scratch/little/one" 'the scratch file is left'
assert_exit 2 quire bench io "$scratch/little" --work /proc --quick
assert_says 'another file system'

# The time is used, also where there is little to read.
begin_ms=$(date +%s%3N)  # some versions of bash print "3.:0" for `time -p`
quire bench io "$scratch/little" --quick --seconds 4 >/dev/null 2>&1
took_ms=$(($(date +%s%3N) - begin_ms))
[ $took_ms -gt 2000 ] && [ $took_ms -lt 20000 ] || fail "$took_ms ms of 4 s"

# What cannot be measured, with the reason and a remedy, and without an output.
assert_exit 1 quire bench io "$scratch/none" --json "$scratch/refused.json"
assert_says "$scratch/none" 'No such file' 'give'
assert_exit 1 quire bench io "$tree/empty" --json "$scratch/refused.json"
assert_says "$tree/empty" 'give'
assert_exit 1 quire bench io /dev/null --json "$scratch/refused.json"
assert_says /dev/null 'give'
assert_exit 2 quire bench io "$tree" --threads 0
assert_exit 2 quire bench io "$tree" --seconds 0
assert_exit 2 quire bench io

# O_DIRECT is known by what it did: ext4 that journals data takes the flag, and reads through the page cache.
truncate -s 200M "$scratch/image" && mkfs.ext4 -q "$scratch/image" && mkdir "$scratch/journal"
if is_root && mount -o loop,data=journal "$scratch/image" "$scratch/journal" 2>/dev/null; then
  mounts+=("$scratch/journal")
  cp "$tree/large" "$scratch/journal" && sync
  assert_exit 0 quire bench io "$scratch/journal" --quick --seconds 1
  assert_says 'O_DIRECT is left out: .*/large: O_DIRECT is accepted, and the bytes go through the page cache'
  umount "$scratch/journal"
else
  leave_out 'a file system that ignores O_DIRECT: it takes root and a loop device'
fi

# As an ordinary user: --cold needs root; what cannot be opened is left out and named.
make_ordinary_user
cp "$(dirname "$QUIRE")/quire-bench" "$scratch/quire-bench"
assert_exit 1 as_user "$user_quire" bench io "$tree" --cold
assert_says 'cold' 'root'
mkdir "$scratch/closed"
cp "$tree/large" "$scratch/closed/open"
cp "$tree/large" "$scratch/closed/closed"
chmod 0 "$scratch/closed/closed"
as_user "$user_quire" bench io "$scratch/closed" --quick --seconds 1 --json - >"$scratch/closed.json"
output=$(json '"\n".join(d["insights"])' <"$scratch/closed.json")
assert_says "$scratch/closed/closed: Permission denied"
assert_exit 1 as_user "$user_quire" bench io "$scratch/closed/closed"
assert_says "$scratch/closed/closed" 'Permission denied' 'user who may read'

# Interrupted: soon, with nothing written.
# The program, no longer the shell that becomes it; SIGINT is the second bit.
catches_interrupts() { grep -q quire-bench "/proc/$1/comm" && grep -qE '^SigCgt:.*[2367abef]$' "/proc/$1/status"; }
env --default-signal=INT "$QUIRE" bench io "$tree/large" --seconds 600 --repeats 100 --json "$scratch/interrupted.json" >"$scratch/log" 2>&1 &
background+=($!)
until_true 10 catches_interrupts $! || fail 'it does not catch SIGINT'
kill -INT $!
until_true 10 gone $! || fail 'an interrupt does not stop it'
status=0
wait $! || status=$?
assert_equal $status 130 'exit status'
[ ! -e "$scratch/interrupted.json" ] || fail 'an interrupted run wrote its output'
grep -q interrupted "$scratch/log" || fail "nothing says that it was interrupted: $(cat "$scratch/log")"
pass
