#!/bin/bash
# Goal: trees that are deep, have long paths, or lie on odd file systems and under odd filters are packed; what a pack
# cannot hold is named.
. "$(dirname "$0")/../support/harness.sh"

# chain DIR LEVELS BYTES: folders below each other, each name so long, and `file` in the last. Prints the last's path.
chain() {
  python3 - "$@" <<'PYTHON'
import os, sys
top, levels, size = sys.argv[1], *map(int, sys.argv[2:])
os.makedirs(top, exist_ok=True)
os.chdir(top)
path = []
for level in range(levels):
    path.append(f'{level:06}'.ljust(size, '_')[:size])
    os.mkdir(path[-1])
    os.chdir(path[-1])
with open('file', 'w') as file: file.write('the file at the end\n')
print('/'.join(path))
PYTHON
}

# 1,300 levels, with fewer descriptors than levels.
last=$(chain "$scratch/deep" 1300 2)
(ulimit -n 200 && pack "$scratch/deep" -o "$scratch/deep.quire")
assert_equal "$(quire cat "$scratch/deep.quire" "$last/file")" 'the file at the end'

# Paths of 4,095 bytes below SRC, though SRC alone is 3,000 bytes long; below a working directory of as many, too.
long=$scratch/$(printf 'source%.0s/' {1..400})
mkdir -p "$long"
last=$(chain "$long" 40 101)  # 4,079 bytes
python3 - "$long" "$last" <<'PYTHON'
import os, sys
os.chdir(sys.argv[1])
os.chdir(sys.argv[2])
with open('f' * 15, 'w') as file: file.write('4,095 bytes\n')
PYTHON
path=$last/fffffffffffffff
assert_equal "${#path}" 4095
pack "$long" -o "$scratch/long.quire"
assert_equal "$(quire cat "$scratch/long.quire" "$path")" '4,095 bytes'
python3 - "$QUIRE" "$long" "$last" "$scratch/inner.quire" <<'PYTHON' || fail 'packing below a working directory of 6,000 bytes'
import os, subprocess, sys
quire, top, last, output = sys.argv[1:]
os.chdir(top)
for name in last.split('/')[:30]: os.chdir(name)
os.mkdir('here')
with open('here/file', 'w') as file: file.write('below\n')
subprocess.run([quire, 'pack', '--progress', 'never', 'here', '-o', output], check=True)
inside = subprocess.run([quire, 'pack', '--progress', 'never', 'here', '-o', 'here/inside.quire'], capture_output=True, text=True)
assert inside.returncode != 0 and 'lies inside' in inside.stderr, inside
os.remove('here/file')
os.rmdir('here')
PYTHON
assert_equal "$(quire cat "$scratch/inner.quire" file)" below
# One byte more is named, and the rest can be packed without it.
python3 - "$long" "$last" <<'PYTHON'
import os, sys
os.chdir(sys.argv[1])
os.chdir(sys.argv[2])
os.symlink('x', 'g' * 16)
PYTHON
assert_exit 1 quire pack "$long" -o "$scratch/new.quire"
assert_says '4096 bytes below'
assert_exit 1 quire pack --skip-unreadable "$long" -o "$scratch/new.quire"
assert_equal "$(quire cat "$scratch/new.quire" "$path")" '4,095 bytes'
quire verify "$scratch/new.quire" >/dev/null

# Where a filter of system calls, or an old kernel, has no openat2.
without_openat2() {  # ERROR COMMAND...
  python3 - "$@" <<'PYTHON'
import ctypes, errno, os, struct, sys
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW, OPENAT2 = 0x00050000, 0x7fff0000, 437
instruction = lambda code, true, false, value: struct.pack('HBBI', code, true, false, value)
program = (instruction(0x20, 0, 0, 0) + instruction(0x15, 0, 1, OPENAT2)  # load the number; is it openat2?
           + instruction(0x06, 0, 0, SECCOMP_RET_ERRNO | getattr(errno, sys.argv[1])) + instruction(0x06, 0, 0, SECCOMP_RET_ALLOW))
buffer = ctypes.create_string_buffer(program)
filter = ctypes.create_string_buffer(struct.pack('HP', len(program) // 8, ctypes.addressof(buffer)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, filter, 0, 0) != 0: sys.exit(77)
os.execv(sys.argv[2], sys.argv[2:])
PYTHON
}
mkdir -p "$scratch/tree/a/b" && echo deep >"$scratch/tree/a/b/file" && head -c 5000000 /dev/urandom >"$scratch/tree/a/large" && echo top >"$scratch/tree/file"
ln -s a "$scratch/tree/symlink"
pack "$scratch/tree" -o "$scratch/tree.quire"
for error in EPERM ENOSYS; do
  status=0
  without_openat2 $error "$QUIRE" pack --progress never --force "$scratch/tree" -o "$scratch/again.quire" >"$scratch/log" 2>&1 || status=$?
  if [ $status -eq 77 ]; then leave_out 'seccomp filters are not allowed here'; break; fi
  [ $status -eq 0 ] || { cat "$scratch/log"; fail "packing without openat2 ($error)"; }
  cmp "$scratch/tree.quire" "$scratch/again.quire" || fail "another pack without openat2 ($error)"
done

# A file system that lists a name twice, has one that is too long, and numbers its inodes anew each time.
program=${ODD_FOLDER:-$(dirname "$QUIRE")/odd_folder}
if [ -x "$program" ] && [ -w /dev/fuse ]; then
  mkdir "$scratch/odd"
  mounts+=("$scratch/odd")
  "$program" "$scratch/odd" &
  background+=($!)
  disown
  until_true 10 is_mounted "$scratch/odd" || fail 'the odd folder is not mounted'
  assert_equal "$(find "$scratch/odd" -name twice | wc -l)" 2 'how often the name is listed'
  assert_exit 1 quire pack --skip-unreadable "$scratch/odd" -o "$scratch/odd.quire"
  assert_says 'nnn: .*300 bytes' 'is without'
  quire verify "$scratch/odd.quire" >/dev/null || fail 'the pack of the odd folder is not valid'
  assert_equal "$(list_paths "$scratch/odd.quire" | tr '\n' ' ')" 'once twice '
  assert_equal "$(quire cat "$scratch/odd.quire" once twice)" $'once\ntwice'
else
  leave_out 'a name that is listed twice: /dev/fuse is not open to this user, or the target odd_folder is not built'
fi
pass
