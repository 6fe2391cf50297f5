#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: whatever bytes of a pack a disk, a cable or a program loses or changes, each reader gives right bytes or an error
# for just what was hit, and `quire verify` names it. QUIRE_SEED=N tries again what a run with that seed tried.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
[ -e /dev/fuse ] || leave_out 'mounts of damaged packs: there is no /dev/fuse'

# All kinds of entries in few bytes: every one of its index can be tried.
make_small() {
  mkdir -p "$1/folder/below" "$1/empty folder"
  random_bytes 700 one >"$1/folder/one" && random_bytes 5000 two >"$1/folder/below/two" && echo three >"$1/three"
  cp "$1/folder/one" "$1/same content"
  : >"$1/empty" && ln "$1/folder/one" "$1/z hard link" && ln -s folder/one "$1/symlink" && ln "$1/three" "$1/folder/three"
  printf 'odd' >"$1/"$'odd \xff\nname'
  sparse "$1/sparse" 100000 40960 && sparse "$1/hole" 4096
  setfattr -n user.label -v cat "$1/three" && setfattr -n user.none "$1/folder"
  chmod 600 "$1/three" && touch -d 2001-02-03T04:05:06.7Z "$1/folder/one"
}
# Samples of several extents, shared pages, holes, links, attributes.
make_paged() {
  make_links "$1/links" && make_xattrs "$1/xattrs" && make_samples "$1/samples" 3 30 20000
  random_bytes $((2 << 20)) page >"$1/a page" && random_bytes $(((4 << 20) + 4097)) long >"$1/long"
  cp "$1/long" "$1/the same, long"
  sparse "$1/sparse" 9000000 0 4096000 8000000
}
# An index of many blocks: what stands in the others is shown.
make_wide() {
  python3 - "$1" <<'PYTHON'
import os, sys
for folder in range(60):
    os.makedirs(f'{sys.argv[1]}/{folder}')
    for file in range(30):
        with open(f'{sys.argv[1]}/{folder}/{file:0200}', 'w') as f: f.write(f'{folder} {file}')
for folder in range(1500): os.makedirs(f'{sys.argv[1]}/folders/{folder % 40}/{folder}')
PYTHON
}

# Samples that are compressed together, in frames of their own, and left as they are.
make_texts() {
  python3 - "$1" <<'PYTHON'
import os, random, sys
chance = random.Random(7)
text = lambda size: (chance.randbytes((size + 1) // 2).hex().encode())[:size]
for folder in range(3):
    os.makedirs(f'{sys.argv[1]}/{folder}')
    for file in range(60):
        with open(f'{sys.argv[1]}/{folder}/{file:02}.txt', 'wb') as f: f.write(text(chance.choice((1, 100, 700, 3000, 9000, 20000))))
        with open(f'{sys.argv[1]}/{folder}/{file:02}.json', 'w') as f: f.write(f'{{"label": "kind {file % 7}", "number": {chance.randrange(10**9)}}}' * 4)
    with open(f'{sys.argv[1]}/{folder}/noise.jpg', 'wb') as f: f.write(chance.randbytes(30000))
# A page of it is no pack by itself, which another pack could be damaged to.
with open(f'{sys.argv[1]}/large.txt', 'wb') as f: f.write(text(5000000))
PYTHON
  sparse "$1/sparse.txt" 3000000 0 && cp "$1/0/01.txt" "$1/same.txt"
}

# In memory, where that may be: thousands of copies are damaged.
fast=$scratch/fast
mkdir "$fast"
if is_root && mount -t tmpfs -o size=1G quire-test "$fast" 2>"$scratch/log"; then mounts+=("$fast"); fi
packs=()
for name in small paged wide; do
  make_$name "$fast/$name"
  pack "$fast/$name" -o "$fast/$name.quire" --dedup
  quire verify "$fast/$name.quire" >"$scratch/log" || fail "an undamaged pack does not verify: $(cat "$scratch/log")"
  packs+=("$name=$fast/$name=$fast/$name.quire")
done
make_texts "$fast/texts"
for way in '' --alone; do
  # shellcheck disable=SC2086  # none or one
  pack "$fast/texts" -o "$fast/texts$way.quire" --dedup --compress zstd $way
  packs+=("texts$way=$fast/texts=$fast/texts$way.quire")
done

# Each process writes its own, when there is something to say.
reports=$scratch/sanitizer
export ASAN_OPTIONS=log_path=$reports TSAN_OPTIONS=log_path=$reports UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports
status=0
mkdir "$fast/work"
python3 "$support/pack_damage.py" "$QUIRE" "$fast/work" "$(trust_seed)" "$(trust_seconds 10)" "${packs[@]}" \
  >"$scratch/told" || status=$?
grep -v $'\t' "$scratch/told" || true
while IFS=$'\t' read -r count what; do tally "$count" "$what"; done < <(grep $'\t' "$scratch/told")
shopt -s nullglob
for report in "$reports".*; do
  grep -v '^$' "$report" | head -n 100
  status=1
done
[ $status -eq 0 ] || fail 'see above'
until_true 30 eval '! pgrep -f "quire mount .*$fast/work"' || fail 'daemons are left'
pass
