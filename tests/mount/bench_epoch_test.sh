#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: `quire bench epoch` and `quire bench meta` measure what they say, on a directory, a mount and a pack, and write only what they are told to.
. "$(dirname "$0")/../support/harness.sh"
need_fuse

mkdir -p "$scratch/tree/folder one" "$scratch/run"
for i in $(seq 300); do head -c $((i * 10)) /dev/urandom >"$scratch/tree/folder one/$i"; done
odd=$'new\nline \xff "quoted"'
head -c 5000 /dev/urandom >"$scratch/tree/$odd"
bytes=$((300 * 301 / 2 * 10 + 5000))
pack "$scratch/tree" -o "$scratch/tree.quire"
mount_pack "$scratch/tree.quire" "$scratch/mnt"
cd "$scratch/run"
before=$(find "$scratch" -printf '%p %s %T@ %m\n' | sort)

# Every order, by threads and processes: all samples, all bytes, once an epoch.
for path in "$scratch/tree" "$scratch/mnt" "$scratch/tree.quire"; do
  for options in '--order random --threads 3' '--order path --processes 2' '--order page --batch 7 --threads 1'; do
    # shellcheck disable=SC2086  # the options are words
    result=$(quire bench epoch "$path" $options --epochs 2 --json -)
    assert_equal "$(json '[(r["samples"], r["bytes"], r["failures"], r["complete"]) for r in d["results"]]' <<<"$result")" \
      "[(301, $bytes, 0, True), (301, $bytes, 0, True)]" "$path $options"
    assert_equal "$(json '[(r["prepared"], r["cache"]) for r in d["results"]][1]' <<<"$result")" "('an epoch before', 'warm')"
    assert_equal "$(json 'all(0 < r["latency_p50_seconds"] <= r["latency_max_seconds"] <= r["seconds"]
      and abs(r["samples_per_second"] * r["seconds"] - 301) < 1e-6 for r in d["results"])' <<<"$result")" True "$result"
    # The tenths took together what the epoch took, but for the waiting of readers for each other.
    assert_equal "$(json 'all(len(r["samples_per_second_of_tenths"]) == 10
      and 0 < sum(30.1 / rate for rate in r["samples_per_second_of_tenths"]) < 1.1 * r["seconds"] for r in d["results"])' <<<"$result")" \
      True "$result"
  done
done

# The daemon's CPU time is told behind a mount only; bench_labels_test.sh compares it with the kernel's figure.
assert_equal "$(quire bench epoch "$scratch/tree" --json - | json 'd["results"][0]["daemon_cpu_seconds"]')" None
if grep -q fuse_connection /proc/"$(daemon_of "$scratch/tree.quire")"/fdinfo/* 2>/dev/null; then
  assert_equal "$(quire bench epoch "$scratch/mnt" --json - | json 'd["results"][0]["daemon_cpu_seconds"] is not None')" True
else
  leave_out 'this kernel does not tell which process serves a mount'
fi

# Names and attributes: entries below the root, looked up and missing.
for path in "$scratch/tree" "$scratch/mnt"; do
  result=$(quire bench meta "$path" --lookups 100 --json -)
  assert_equal "$(json '[(r["operation"], r["prepared"], r["entries"]) for r in d["results"]]' <<<"$result")" \
    "$(json '[(o, p, n) for o, n in (("walk", 302), ("walk and stat", 302), ("lookup", 100), ("lookup missing", 100)) for p in ("nothing", "the same before")]' <<<'0')"
done
assert_equal "$(find "$scratch" -printf '%p %s %T@ %m\n' | sort)" "$before" 'something was written'

# A list by names alone looks at no entry's attributes, unlike one with --list stat, and both find the same.
for list in readdir stat; do
  strace -f -qq -e trace=newfstatat,fstatat64,statx -o "$scratch/trace" "$QUIRE" bench epoch "$scratch/tree" --list $list --epochs 1 --json "$scratch/list.json" >/dev/null
  assert_equal "$(json '[(r["list"], r["samples"]) for r in d["results"]]' <"$scratch/list.json")" "[('$list', 301)]"
  looked_at=$(grep -c '"[0-9][0-9]*", .*AT_SYMLINK_NOFOLLOW' "$scratch/trace" || true)
  assert_equal "$looked_at" $([ $list = stat ] && echo 300 || echo 0) "attributes looked at with --list $list"
done

# Cold: caches are dropped and the list is made anew, which needs root; anyone else is told so, and nothing is measured.
if is_root; then
  assert_equal "$(quire bench epoch "$scratch/mnt" --cold --json - | json '[(r["prepared"], r["samples"], r["list_seconds"] > 0) for r in d["results"]]')" \
    "[('caches dropped', 301, True), ('caches dropped', 301, True)]"
  assert_equal "$(quire bench epoch "$scratch/tree" --cold --epochs 1 --json - | json "$bytes <= d['results'][0]['disk_bytes']")" True
fi
make_ordinary_user
cp "$(dirname "$QUIRE")/quire-bench" "$scratch/"
for command in epoch meta; do
  if [ -w /proc/sys/vm/drop_caches ] && ! is_root; then continue; fi
  assert_exit 1 as_user "$user_quire" bench $command "$scratch/tree" --cold
  assert_says '--cold.*only root' 'run it as root, or leave --cold out'
done

# The three files, complete, and only these.
quire bench epoch "$scratch/tree" --json e.json --csv e.csv --report e.html >text
quire bench meta "$scratch/tree" --json m.json --csv m.csv --report m.html >>text
assert_equal "$(ls)" $'e.csv\ne.html\ne.json\nm.csv\nm.html\nm.json\ntext'
for kind in e m; do
  json 'len(d["results"]) > 0' <$kind.json >/dev/null
  python3 - $kind <<'EOF' || fail "$kind.csv and $kind.json differ"
import csv, json, sys
rows = list(csv.DictReader(open(sys.argv[1] + '.csv', newline='')))
results = json.load(open(sys.argv[1] + '.json'))['results']
assert len(rows) == len(results)
for row, result in zip(rows, results):
    for key, value in result.items():
        text = row[key]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            assert float(text) == value, (key, text, value)
EOF
  python3 - $kind.html <<'EOF' || fail "$kind.html is not well formed"
import html.parser, sys
open_elements = []
class Check(html.parser.HTMLParser):
    def handle_starttag(self, tag, attributes):
        if tag not in ('meta', 'br', 'hr', 'img', 'link'): open_elements.append(tag)
        assert not any(name in ('src', 'href') and not value.startswith('#') for name, value in attributes), attributes
    def handle_startendtag(self, tag, attributes): pass
    def handle_endtag(self, tag):
        assert open_elements.pop() == tag, tag
Check().feed(open(sys.argv[1]).read())
assert not open_elements, open_elements
EOF
done

# Memory is bounded, however large a file is.
mkdir "$scratch/huge" && truncate -s 2G "$scratch/huge/file"
assert_equal "$( (ulimit -v 1000000 && "$QUIRE" bench epoch "$scratch/huge" --epochs 1 --threads 1 --json -) | json 'd["results"][0]["bytes"]')" $((2 << 30))
rm -r "$scratch/huge"

# A percentile needs its sample: of 301 files there is no hundredth. Whether more readers help is an experiment, in pairs.
result=$(quire bench epoch "$scratch/tree" --epochs 1 --threads 1 --more-readers --json -)
assert_equal "$(json '(r := d["results"][0])["latency_p50_seconds"] > 0 and r["latency_p99_seconds"] is None' <<<"$result")" True "$result"
assert_equal "$(json '[(r["readers"], r["instead_of"], r["pairs"], r["rate_ratio_low"] <= r["rate_ratio"] <= r["rate_ratio_high"]) for r in d["results"][1:]]' <<<"$result")" '[(2, 1, 10, True)]'
assert_exit 2 quire bench epoch "$scratch/tree" --threads 200 --more-readers
assert_says 'at most 128 readers'

# Failures are figures and an exit status, and wrong usage is told before anything is measured.
assert_exit 1 quire bench epoch "$scratch/none"
assert_says 'No such file'
assert_exit 2 quire bench epoch "$scratch/run/text"
assert_says 'neither a directory nor'
mkdir "$scratch/empty"
assert_exit 1 quire bench epoch "$scratch/empty"
assert_says 'holds no regular file'
assert_exit 1 quire bench meta "$scratch/empty"
assert_says 'is empty'
assert_exit 2 quire bench epoch "$scratch/tree" --threads 2 --processes 2
assert_exit 2 quire bench epoch "$scratch/tree" --order backwards
assert_exit 2 quire bench
assert_exit 2 quire bench epoch "$scratch/tree" --json "$scratch/none/e.json"
assert_says "$scratch/none"
assert_exit 0 quire bench --help
assert_says 'quire bench' epoch meta io
if is_root; then
  chmod 000 "$scratch/tree/folder one/7"
  chmod 755 "$scratch/tree" "$scratch/tree/folder one"
  assert_exit 1 as_user "$user_quire" bench epoch "$scratch/tree" --json -
  assert_says '"failures": 1,' 'folder one/7: Permission denied'
fi
pass
