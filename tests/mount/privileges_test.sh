#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a daemon has no rights that serving and unmounting do not need, has those that they do, and its log says which.

# Some containers keep /dev/fuse to root: then root makes one for everybody, seen by this test only.
if [ "$(id -u)" -eq 0 ] && [ -c /dev/fuse ] && [ -z "${own_fuse-}" ] && unshare -m true 2>/dev/null && (((8#$(stat -c %a /dev/fuse) & 6) != 6)); then
  own_fuse=yes exec unshare -m bash -c 'mount -t tmpfs none /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse; exec "$0"' "$0"
fi
. "$(dirname "$0")/../support/harness.sh"
need_fuse

mkdir "$scratch/tree"
echo sample >"$scratch/tree/name"
pack "$scratch/tree" -o "$scratch/tree.quire"
mnt=$scratch/mnt
# status_of FIELD PID: of every thread, each value once.
status_of() { awk -v field="$1:" '$1 == field {print $2}' /proc/"$2"/task/*/status | sort -u; }

# dac_read_search 2, ipc_lock 14, sys_nice 23; of the process that unmounts sys_admin 21 and dac_read_search.
serving=$((1 << 2 | 1 << 14 | 1 << 23))
unmounting=$((1 << 21 | 1 << 2))
has_sys_admin() { is_root && [ $((0x$(awk '$1 == "CapEff:" {print $2}' /proc/self/status) >> 21 & 1)) -eq 1 ]; }
# assert_rights PID ALLOWED FIELD...: no thread has other capabilities.
assert_rights() {
  local pid=$1 allowed=$2 field set
  shift 2
  for field in "$@"; do
    for set in $(status_of "$field" "$pid"); do assert_equal $((0x$set & ~allowed)) 0 "$field of a thread of $pid is $set"; done
  done
}
# assert_confined PID LOG: all of its threads are, and the log tells.
assert_confined() {
  local calls
  assert_rights "$1" $serving CapPrm CapEff CapInh CapAmb
  assert_equal "$(status_of NoNewPrivs "$1")" 1 'whether privileges can be gained'
  grep -q 'privileges: capabilities .*none can be gained' "$2" || fail "the log does not tell: $(cat "$2")"
  grep -q 'files: ' "$2" || fail "the log does not tell of files: $(cat "$2")"
  calls=$(sed -n 's/.*system calls: //p' "$2")
  case $calls in
    *'no others') assert_equal "$(status_of Seccomp "$1")" 2 'whether all threads are behind the filter' ;;
    all*) leave_out "no filter of system calls: $calls" ;;
    *) fail "the log does not tell of system calls: $(cat "$2")" ;;
  esac
}
# The process that unmounts for a daemon: its child.
unmounter_of() { pgrep -P "$1" || fail "no process unmounts for $1"; }

# Descriptors of the caller's are closed, in the daemon and beside it.
exec 9</etc/passwd
mount_pack "$scratch/tree.quire" "$mnt" -o "log_file=$scratch/log"
exec 9<&-
daemon=$(daemon_of_mount "$mnt")
unmounter=$(unmounter_of "$daemon")
cat "$mnt/name" "$mnt/.quire/stats" >/dev/null
assert_confined "$daemon" "$scratch/log"
for process in "$daemon" "$unmounter"; do
  ! readlink "/proc/$process"/fd/* | grep -q passwd || fail "process $process has a descriptor of its caller"
done
# It has nothing else of the daemon's: neither its names in ps(1), nor the pack, nor the connection.
assert_equal "$(tr '\0' ' ' <"/proc/$unmounter/cmdline" | xargs)" quire-unmounter
assert_equal "$(readlink "/proc/$unmounter/cwd")" /
! readlink "/proc/$unmounter"/fd/* | grep -v -e '^/dev/null$' -e '^socket:' || fail 'it has other descriptors'
if has_sys_admin; then
  assert_rights "$daemon" $serving CapBnd
  assert_rights "$unmounter" $unmounting CapPrm CapEff CapInh CapAmb CapBnd
  assert_equal "$(status_of NoNewPrivs "$unmounter")" 1
  grep -q 'Max core file size  *1  *1 ' "/proc/$daemon/limits" || fail "core dumps: $(grep core "/proc/$daemon/limits")"
fi
# Signals that end daemons leave it: the daemon is not done before it.
kill -TERM "$unmounter"
kill -INT "$unmounter"
# Samples are in no core dump.
grep -q '^VmFlags:.* dd' "/proc/$daemon/smaps" || fail 'no memory is left out of core dumps'

# It unmounts by itself all the same, and opens its log anew.
mv "$scratch/log" "$scratch/log.1"
kill -HUP "$daemon"
until_true 10 grep -q 'opened anew' "$scratch/log" || fail 'the log was not opened anew'
kill -TERM "$daemon"
until_true 10 gone "$daemon" || fail 'the daemon does not end'
! is_mounted "$mnt" || fail 'the daemon could not unmount'
until_true 10 gone "$unmounter" || fail 'the process that unmounts outlives its daemon'
mount_pack "$scratch/tree.quire" "$mnt" -o timeout=1
until_true 20 eval "! is_mounted '$mnt'" || fail 'an idle daemon could not unmount'

# A daemon that is killed leaves no process; where the other one is, the daemon ends all the same, and says what helps.
mount_pack "$scratch/tree.quire" "$mnt"
daemon=$(daemon_of_mount "$mnt")
unmounter=$(unmounter_of "$daemon")
kill -KILL "$daemon"
until_true 10 gone "$unmounter" || fail 'the process that unmounts outlives its daemon'
rm -f "$scratch/log"
mount_pack "$scratch/tree.quire" "$mnt" -o "log_file=$scratch/log"
daemon=$(daemon_of_mount "$mnt")
kill -KILL "$(unmounter_of "$daemon")"
kill -TERM "$daemon"
until_true 10 gone "$daemon" || fail 'the daemon does not end'
grep -q "was not unmounted: .*quire umount --lazy $mnt" "$scratch/log" || fail "the log does not tell: $(cat "$scratch/log")"
quire umount --lazy "$mnt" || fail 'unmounting what the daemon could not'

# A daemon in the foreground, whose group is ended, as Ctrl-C does (by SIGINT, which jobs of a script ignore).
setsid "$QUIRE" mount -f "$scratch/tree.quire" "$mnt" 2>"$scratch/err" 9</etc/passwd &
background+=($!)
until_true 10 is_mounted "$mnt" || fail "no mount: $(cat "$scratch/err")"
daemon=$(daemon_of_mount "$mnt")
! readlink "/proc/$daemon"/fd/* | grep -q passwd || fail 'a daemon in the foreground has a descriptor of its caller'
kill -TERM -- -"$(ps -o pgid= -p "$daemon" | tr -d ' ')"
until_true 10 gone "$daemon" || fail 'the daemon does not end'
! is_mounted "$mnt" || fail 'the end of its group leaves a mount'

# Where the kernel has no Landlock, or a filter of a container's forbids it, the mount is made and the log says so.
if command -v strace >/dev/null && ! is_sanitized asan tsan; then
  for error in ENOSYS EOPNOTSUPP EPERM; do
    rm -f "$scratch/err"
    strace -f -qq -o "$scratch/calls" -e trace=landlock_create_ruleset -e inject=landlock_create_ruleset:error=$error \
      "$QUIRE" mount -f "$scratch/tree.quire" "$mnt" 2>"$scratch/err" &
    tracer=$!
    background+=("$tracer")
    until_true 20 grep -q 'system calls' "$scratch/err" || fail "no mount without Landlock: $(cat "$scratch/err")"
    assert_equal "$(cat "$mnt/name")" sample
    grep -q 'files: all (Landlock: ' "$scratch/err" || fail "the log does not tell of $error: $(cat "$scratch/err")"
    kill -TERM "$(daemon_of_mount "$mnt")"
    until_true 20 gone "$tracer" || fail 'the daemon does not end'
    ! is_mounted "$mnt" || fail 'the daemon could not unmount'
  done
else
  leave_out 'a kernel without Landlock: needs strace, and a build without sanitizers'
fi

# The daemon of an ordinary user is confined as well, and unmounts by fusermount3 all the same.
if is_root && command -v fusermount3 >/dev/null; then
  make_ordinary_user
  if as_user [ -w /dev/fuse ]; then
    cp "$scratch/tree.quire" "$user_home/tree.quire"
    chmod 644 "$user_home/tree.quire"
    as_user mkdir "$user_home/mnt" "$user_home/logs"
    mounts+=("$user_home/mnt")
    log=$user_home/logs/log
    as_user "$user_quire" mount -o "log_file=$log" "$user_home/tree.quire" "$user_home/mnt" || fail 'mounting'
    daemon=$(daemon_of_mount "$user_home/mnt")
    unmounter=$(unmounter_of "$daemon")
    until_true 10 grep -q 'system calls' "$log"
    assert_confined "$daemon" "$log"
    assert_equal "$(status_of CapPrm "$daemon")" 0000000000000000 "capabilities of a user's daemon"
    mv "$log" "$log.1"
    kill -HUP "$daemon"
    until_true 10 grep -q 'opened anew' "$log" || fail "a user's log was not opened anew"
    kill -TERM "$daemon"
    until_true 10 gone "$daemon" || fail 'the daemon does not end'
    ! is_mounted "$user_home/mnt" || fail "a user's daemon could not unmount"
    until_true 10 gone "$unmounter" || fail 'the process that unmounts outlives its daemon'
    as_user "$user_quire" mount -o timeout=1 "$user_home/tree.quire" "$user_home/mnt" || fail 'mounting'
    until_true 20 eval "! is_mounted '$user_home/mnt'" || fail "a user's idle daemon could not unmount"
  else
    leave_out 'no mount by an ordinary user: /dev/fuse is closed to them here'
  fi
fi
pass
