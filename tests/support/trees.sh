# SPDX-License-Identifier: Apache-2.0
# Makes the trees that are hard to pack. Each function takes the folder to make; what needs root is left out without it.
# shellcheck shell=bash

trees_program=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/trees.py
# random_bytes COUNT SEED: the same bytes every time, which no compressor shrinks.
random_bytes() { "$trees_program" bytes "$@"; }
# sparse FILE LENGTH [AT...]: a file of holes with 5000 bytes of data at each offset, as far as they fit.
sparse() { "$trees_program" sparse "$@"; }
# make_samples DIR FOLDERS FILES BYTES: a small dataset.
make_samples() { "$trees_program" samples "$@"; }

# Names of any bytes but '/' and NUL, up to 255 of them; folders of 0 and 1 entries; a deep one.
make_odd_names() {
  mkdir -p "$1/empty folder" "$1/one" && echo only >"$1/one/only"
  local name deep=$1
  for name in $'new\nline' $'\n' $'tab\there' "single'quote" 'double"quote' 'back\slash' ' ' ' leading' 'trailing ' '-dash' '--help' \
    '...' '.hidden' '*' '$HOME' $'\x01\x7f' $'invalid \xff\xfe utf-8' $'\xc3' 'ünïcödé' '名前' "$(printf 'n%.0s' {1..255})" \
    "$(printf '\xff%.0s' {1..255})" '%s%n' 'a b' 'a' 'A' 'aa' 'a.b' 'a-b' .quire; do
    printf 'the file named %q\n' "$name" >"$1/$name"
    mkdir "$1/folder $(printf %s "$name" | cut -z -c1-240 | tr -d '\0')" 2>/dev/null || true
  done
  for _ in {1..40}; do deep=$deep/deeper; done
  mkdir -p "$deep" && echo bottom >"$deep/bottom"
}

# Every size at which a page, a kernel page or an extent begins or ends.
make_odd_sizes() {
  local size page=$((2 << 20))
  mkdir -p "$1"
  for size in 0 1 7 8 9 63 64 65 4095 4096 4097 65535 65536 65537 131072 131073 \
    $((page - 1)) $page $((page + 1)) $((2 * page - 1)) $((2 * page)) $((2 * page + 1)) $((3 * page + 12345)); do
    random_bytes "$size" "$size" >"$1/$size bytes"
  done
  # Bytes that look like holes but are stored, and the same content under two names.
  head -c 100000 /dev/zero >"$1/zeros"
  head -c $((5 << 20)) /dev/zero >"$1/more zeros"
  cp "$1/65537 bytes" "$1/65537 bytes again"
}

make_sparse_files() {
  local page=$((2 << 20))
  mkdir -p "$1"
  sparse "$1/one hole" $((3 * page))
  sparse "$1/small hole" 4096
  sparse "$1/hole of odd length" 100001
  sparse "$1/data at start" $((3 * page)) 0
  sparse "$1/data at end" $((3 * page)) $((3 * page - 5000))
  sparse "$1/data in the middle" 1000000 500000
  sparse "$1/data across pages" $((4 * page)) $((page - 2500)) $((3 * page - 1))
  sparse "$1/many holes" $((64 << 20)) $(seq 0 1000000 60000000)
  random_bytes $((page + 777)) long >"$1/long data, then a hole"
  truncate -s $((4 * page)) "$1/long data, then a hole"
  { truncate -s $page "$1/hole, then long data" && random_bytes $((2 * page + 5)) later >>"$1/hole, then long data"; }
}

make_links() {
  mkdir -p "$1/z" "$1/a"
  echo linked >"$1/m" && ln "$1/m" "$1/z/m" && ln "$1/m" "$1/a/m" && ln "$1/m" "$1/n"
  random_bytes $((5 << 20)) big >"$1/big" && ln "$1/big" "$1/z/big"
  sparse "$1/sparse" 1000000 300000 && ln "$1/sparse" "$1/a/sparse"
  : >"$1/empty" && ln "$1/empty" "$1/a/empty"
  ln -s m "$1/symlink" && ln -P "$1/symlink" "$1/z/hard link of a symlink"
  ln -s m "$1/z/m symlink"
  ln -s nowhere "$1/dangling"
  ln -s /etc/hostname "$1/absolute"
  ln -s ../../../../../../.. "$1/above"
  ln -s . "$1/self" && ln -s loop2 "$1/loop1" && ln -s loop1 "$1/loop2"
  ln -s ' ' "$1/space" && ln -s $'new\nline \xff' "$1/odd"
  ln -s "$(python3 -c 'print("/".join(["x" * 99] * 40) + "/" + "y" * 94, end="")')" "$1/longest"  # 4094 bytes
}

make_modes() {
  local mode
  mkdir -p "$1"
  for mode in 0000 0001 0400 0444 0600 0644 0755 0777 1644 2755 4755 6711 7777; do
    echo "mode $mode" >"$1/file $mode" && chmod "$mode" "$1/file $mode"
    mkdir "$1/folder $mode" && echo inside >"$1/folder $mode/inside" && chmod "$mode" "$1/folder $mode"
  done
  if [ "$(id -u)" -eq 0 ]; then
    echo owned >"$1/owned" && chown 12345:54321 "$1/owned"
    echo owned >"$1/largest ids" && chown 4294967294:4294967294 "$1/largest ids"
    ln -s owned "$1/owned symlink" && chown -h 12345:54321 "$1/owned symlink"
    mkdir "$1/owned folder" && chown 99:98 "$1/owned folder"
  else  # what its owner cannot read, nobody can pack
    chmod u+rx "$1"/folder* && chmod u+r "$1"/file*
  fi
}

make_times() {
  local time
  mkdir -p "$1"
  for time in 1901-12-14T00:00:00.000000001 1969-12-31T23:59:59.999999999 1970-01-01T00:00:00 2001-02-03T04:05:06.123456789 \
    2038-01-19T03:14:08.5 2106-02-07T06:28:16 2262-04-12T00:00:00 2400-01-01T00:00:00.987654321; do
    echo "$time" >"$1/file $time" && ln -s x "$1/symlink $time" && mkdir "$1/folder $time"
    touch -h -d "${time}Z" "$1/file $time" "$1/symlink $time" "$1/folder $time"
  done
}

# Extended attributes of files and folders: many, empty, binary, and the longest that the file system takes.
make_xattrs() {
  mkdir -p "$1/folder"
  touch "$1/"{none,one,many,empty,binary,long,shared1,shared2,linked}
  ln -f "$1/linked" "$1/linked again"
  python3 - "$1" <<'PYTHON'
import os, sys
top = sys.argv[1] + '/'
os.setxattr(top + 'one', 'user.one', b'1')
for i in range(30): os.setxattr(top + 'many', f'user.{i:02}', b'value %d' % i)
os.setxattr(top + 'empty', 'user.empty', b'')
os.setxattr(top + 'binary', b'user.\xff\x01 name', bytes(range(256)))
os.setxattr(top + 'binary', 'user.' + 'n' * 250, b'a name of 255 bytes')
os.setxattr(top + 'folder', 'user.folder', b'of a folder')
os.setxattr(top, 'user.top', b'of the top folder')
for name in 'shared1', 'shared2': os.setxattr(top + name, 'user.shared', b'the same')
os.setxattr(top + 'linked', 'user.linked', b'by both names')
for length in 60000, 16000, 4000, 3900, 3000:  # ext4: what is left of one block
    try: os.setxattr(top + 'long', 'user.long', os.urandom(length)); break
    except OSError: pass
PYTHON
}

# What a pack leaves out. Returns how many it made in $special_files.
make_special_files() {
  mkdir -p "$1"
  mkfifo "$1/fifo"
  python3 -c 'import os, socket, sys; os.chdir(sys.argv[1]); socket.socket(socket.AF_UNIX).bind("socket")' "$1"
  special_files=2
  if [ "$(id -u)" -eq 0 ] && mknod "$1/device" c 1 3 2>/dev/null; then special_files=3; fi
}

make_odd_tree() {
  mkdir -p "$1"
  make_odd_names "$1/names"
  make_odd_sizes "$1/sizes"
  make_sparse_files "$1/sparse"
  make_links "$1/links"
  make_modes "$1/modes"
  make_xattrs "$1/xattrs"
  make_times "$1/times"  # last, though nothing below writes into it
  touch -d 2011-11-11T11:11:11.111111111Z "$1"
}
