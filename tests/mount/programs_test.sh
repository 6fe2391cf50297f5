#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: programs run from a mount, map its files into memory, query its databases and copy it.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
. "$support/compare.sh"
need_fuse

tree=$scratch/tree
mnt=$scratch/mnt
mkdir -p "$tree/bin" "$tree/lib"
cp -L /usr/bin/{python3,perl,git,sqlite3} "$tree/bin/"
cp -L "$(ldd /usr/bin/git | awk '/libz\.so/ {print $3}')" "$tree/lib/"
printf '#!/bin/sh\necho "script ran with $1"\n' >"$tree/bin/script" && chmod 755 "$tree/bin/script"
echo 'echo not for execution' >"$tree/bin/closed" && chmod 644 "$tree/bin/closed"
make_samples "$tree/samples" 5 100 3000
random_bytes 5000001 map >"$tree/big"
seq 1 200000 | sqlite3 "$tree/numbers.db" 'create table numbers(n integer primary key, square integer);' \
  '.import /dev/stdin raw' 2>/dev/null || true
sqlite3 "$tree/numbers.db" 'drop table if exists raw; with recursive s(n) as (select 1 union all select n + 1 from s where n < 100000)
  insert into numbers select n, n * n from s; create index squares on numbers(square);'
git init -q "$tree/repository" && cp -r "$tree/samples/000" "$tree/repository/" && git -C "$tree/repository" add . &&
  git -C "$tree/repository" -c user.name=t -c user.email=t@example.org commit -qm samples && git -C "$tree/repository" gc -q
pack "$tree" -o "$tree.quire"
mount_pack "$tree.quire" "$mnt"

# Programs, their shared libraries and scripts.
assert_equal "$("$mnt/bin/python3" -c 'print(6 * 7)')" 42
assert_equal "$("$mnt/bin/python3" -c 'import os; print(os.readlink("/proc/self/exe"))')" "$mnt/bin/python3"
assert_equal "$("$mnt/bin/perl" -e 'print 6 * 7')" 42
assert_equal "$("$mnt/bin/git" --version)" "$(git --version)"
assert_equal "$("$mnt/bin/script" 7)" 'script ran with 7'
LD_LIBRARY_PATH=$mnt/lib "$mnt/bin/python3" -c '
import ctypes; ctypes.CDLL("libz.so.1").zlibVersion
assert "/mnt/lib/libz" in open("/proc/self/maps").read(), "libz is not the one of the mount"'
assert_exit 126 bash -c '"$1"/bin/closed' - "$mnt"

# A database: mapped and read, by the program of the mount itself.
assert_equal "$("$mnt/bin/sqlite3" -readonly "$mnt/numbers.db" 'select sum(square) from numbers; pragma integrity_check')" \
  "$(sqlite3 "$tree/numbers.db" 'select sum(square) from numbers'; echo ok)"
assert_equal "$(sqlite3 -readonly "$mnt/numbers.db" 'pragma mmap_size = 100000000; select n from numbers where square = 99980001')" \
  "$(printf '100000000\n9999')"

# A git repository.
git -c safe.directory='*' --git-dir="$mnt/repository/.git" fsck --full >/dev/null 2>&1 || fail 'git fsck in the mount'
git -c safe.directory='*' clone -q "$mnt/repository" "$scratch/clone"
diff -r "$tree/samples/000" "$scratch/clone/000"

# Maps: shared and private, at odd places, and by several processes at once.
python3 - "$tree/big" "$mnt/big" <<'PYTHON'
import mmap, multiprocessing, random, sys
wanted = open(sys.argv[1], 'rb').read()
def check(seed):
    place = random.Random(seed)
    with open(sys.argv[2], 'rb') as file:
        shared = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        private = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        for _ in range(500):
            at, length = place.randrange(len(wanted)), place.randrange(300000)
            assert shared[at:at + length] == wanted[at:at + length] == private[at:at + length], at
        private[7:9] = b'xx'  # a private map may be written; the file stays
        assert shared[7:9] == wanted[7:9]
        try: mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE)
        except PermissionError: return True
# By fork: the other ways, of which Python 3.14 takes one by default, want to import this program, which has no file.
with multiprocessing.get_context('fork').Pool(4) as pool:
    assert all(pool.map(check, range(4))), 'a shared map could be written'
PYTHON

# Copies by the usual programs.
mkdir "$scratch/cp" "$scratch/tar" "$scratch/rsync"
cp -a "$mnt/." "$scratch/cp"
same_content "$tree" "$scratch/cp"
tar -C "$mnt" -cf - . | tar -C "$scratch/tar" -xpf - && same_content "$tree" "$scratch/tar"
rsync -a "$mnt/" "$scratch/rsync"
same_content "$tree" "$scratch/rsync"
assert_equal "$(find "$mnt" -size +4M -printf '%P\n' | sort)" "$(find "$tree" -size +4M -printf '%P\n' | sort)"
assert_equal "$(grep -rl 'script ran' "$mnt/bin/script")" "$mnt/bin/script"
assert_equal "$(du -s --apparent-size -B1 "$mnt" | cut -f1)" "$(du -s --apparent-size -B1 "$tree" | cut -f1)"
df "$mnt" | grep -q "$mnt" || fail 'df does not know the mount'
pass
