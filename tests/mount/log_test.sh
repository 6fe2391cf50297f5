#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a mount logs where it was told to, opens its log anew on SIGHUP, and tells a service manager how it fares.
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
need_fuse

pack=$scratch/tree.quire
mnt=$scratch/mnt
log=$scratch/quire.log
make_samples "$scratch/tree" 1 10 1000
pack "$scratch/tree" -o "$pack"
says() { grep -q -- "$2" "$1" 2>/dev/null; }

# In a file, by a path that is relative to the caller's folder, behind what is there already.
echo 'earlier line' >"$log"
(cd "$scratch" && mount_pack "$pack" "$mnt" -o log_file=quire.log)
mounts+=("$mnt")
until_true 10 says "$log" "mounted '$pack' at '$mnt'" || fail 'the log does not tell of the mount'
says "$log" 'earlier line' || fail 'the log was cut'

# As logrotate does it: rename, then SIGHUP.
mv "$log" "$log.1"
kill -HUP "$(daemon_of_mount "$mnt")"
until_true 10 says "$log" 'opened anew' || fail 'SIGHUP did not open the log anew'
cmp "$scratch/tree/000/00001.bin" "$mnt/000/00001.bin"
# Where it cannot be opened, the old one goes on.
mv "$log" "$log.2" && mkdir "$log"
kill -HUP "$(daemon_of_mount "$mnt")"
until_true 10 says "$log.2" 'not opened anew: .*directory' || fail 'a log that cannot be opened is not told of'
rmdir "$log" && mv "$log.2" "$log"
quire umount "$mnt"
says "$log" "unmounted '$pack'" || fail 'the log does not tell of the end'
! says "$log.1" unmounted || fail 'the old log was written to'

# log_level decides what is worth a line.
rm "$log"
mount_pack "$pack" "$mnt" -o "log_file=$log,log_level=error"
umount_pack "$mnt"
assert_equal "$(cat "$log")" '' 'log of errors alone'
rm "$log"

# A log that cannot be written to is a reason not to mount.
assert_exit 1 quire mount -o "log_file=$scratch/none/log" "$pack" "$mnt"
assert_says 'log_file' "$scratch/none/log" 'no such file'
! is_mounted "$mnt" || fail 'mounted without a log'

# Nor is one in the mount, which the daemon would ask itself for.
ln -s "$mnt" "$scratch/alias"
for place in "$mnt/log" "$scratch/alias/log" "$mnt" "$scratch/none/../mnt/log"; do
  for form in '' -f; do
    # shellcheck disable=SC2086  # no word where it is empty
    assert_exit 2 timeout -k 1 10 "$QUIRE" mount $form -o "log_file=$place" "$pack" "$mnt"
    assert_says "log_file=$place" "lies in the mount at '$mnt'"
    ! is_mounted "$mnt" || fail "mounted with log_file=$place"
  done
done
(cd "$mnt" && assert_exit 2 timeout -k 1 10 "$QUIRE" mount -o log_file=log "$pack" "$mnt") || fail 'by a relative path'
assert_exit 2 quire mount "$pack" /dev
assert_says 'would hide /dev'

# In a folder that others may write to no link is followed, which may lead to any file. Elsewhere it is.
mkdir -m 1777 "$scratch/shared"
echo precious >"$scratch/precious"
ln -s "$scratch/precious" "$scratch/shared/symlink"
ln "$scratch/precious" "$scratch/shared/hardlink"
mkfifo "$scratch/shared/fifo"
for name in symlink hardlink fifo; do
  assert_exit 1 timeout -k 1 10 "$QUIRE" mount -o "log_file=$scratch/shared/$name" "$pack" "$mnt"
  assert_says "$scratch/shared/$name.* a link, no file, or another user's"
  ! is_mounted "$mnt" || fail "mounted with a log by the $name"
done
assert_equal "$(cat "$scratch/precious")" precious 'a file that a link led to'
mount_pack "$pack" "$mnt" -o "log_file=$scratch/shared/log"
umount_pack "$mnt"
says "$scratch/shared/log" "unmounted '$pack'" || fail 'no log in a folder that others may write to'
mkdir "$scratch/own" && ln -s ../kept "$scratch/own/log"
mount_pack "$pack" "$mnt" -o "log_file=$scratch/own/log"
umount_pack "$mnt"
says "$scratch/kept" "unmounted '$pack'" || fail 'a link in a folder of our own was not followed'

# Without log_file nothing ends on SIGHUP either.
mount_pack "$pack" "$mnt"
daemon=$(daemon_of_mount "$mnt")
kill -HUP "$daemon"
sleep 0.2
cmp "$scratch/tree/000/00001.bin" "$mnt/000/00001.bin"
! gone "$daemon" || fail 'SIGHUP ended a daemon in the background'
umount_pack "$mnt"

# Where there is no syslog, as in containers, messages go to a file, and the mount says where there is none. A /dev of our
# own has a syslog or none.
if is_root && unshare --mount true 2>/dev/null; then
  # shellcheck disable=SC2016  # for the inner shells
  in_own_dev() {
    unshare --mount --propagation private bash -ec '
      mkdir -p "$1" && mount -t tmpfs none "$1" && cp -a /dev/fuse /dev/null "$1"
      [ "$2" = none ] || ln -s "$2" "$1/log"
      mount --bind "$1" /dev
      shift 2
      exec "$@"' - "$scratch/dev" "$@"
  }
  # shellcheck disable=SC2016
  mount_and_hang_up='quire=$1 pack=$2 mnt=$3
    "$quire" mount "$pack" "$mnt"
    daemon=$(pgrep -n -f -- "quire mount $pack $mnt")
    if [ -n "$4" ]; then
      mv "$4" "$4.1" && kill -HUP "$daemon"
      for ((i = 0; i < 500; ++i)); do [ ! -s "$4" ] || break; sleep 0.02; done
    fi
    "$quire" umount "$mnt"'
  usual=$LOGS_DIRECTORY/quire.log
  rm -f "$usual"
  assert_exit 0 in_own_dev none bash -c "$mount_and_hang_up" - "$QUIRE" "$pack" "$mnt" "$usual"
  assert_equal "$output" '' 'what a mount says that logs to the usual file'
  says "$usual" 'opened anew' || fail 'SIGHUP did not open the usual file anew'
  says "$usual" "unmounted '$pack'" || fail 'the usual file does not tell of the end'
  # shellcheck disable=SC2016
  assert_exit 0 in_own_dev none bash -ec '"$1" mount "$2" "$3" -o "log_file=$4" && "$1" umount "$3"' - "$QUIRE" "$pack" "$mnt" "$log"
  assert_equal "$output" '' 'a notice in spite of log_file'
  says "$log" "unmounted '$pack'" || fail 'log_file was not written to'
  rm "$log"
  state=$scratch/state
  # Neither $LOGS_DIRECTORY nor /var/log can be written to.
  # shellcheck disable=SC2016
  assert_exit 0 in_own_dev none bash -ec 'mount --bind "$1" /var/log && mount -o remount,bind,ro /var/log && shift
    exec env -u LOGS_DIRECTORY XDG_STATE_HOME="$1" bash -c "${@:2}"' - "$scratch/dev" "$state" \
    "$mount_and_hang_up" - "$QUIRE" "$pack" "$mnt" ''
  says "$state/quire/quire.log" "unmounted '$pack'" || fail 'no log in the folder for state'

  # Nor is there any other folder.
  # shellcheck disable=SC2016
  assert_exit 0 in_own_dev none bash -ec 'mount --bind "$1" /var/log && mount -o remount,bind,ro /var/log && shift
    exec env -i PATH="$PATH" bash -c "$@"' - "$scratch/dev" "$mount_and_hang_up" - "$QUIRE" "$pack" "$mnt" ''
  assert_says '^quire mount: there is no syslog here, and no file to log to could be made: give the option log_file=PATH$'

  python3 -c '
import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog, open(sys.argv[2], "wb", 0) as log:
    syslog.bind(sys.argv[1])
    while True: log.write(syslog.recv(10000) + b"\n")' "$scratch/syslog" "$scratch/syslog.log" &
  background+=($!)
  disown
  until_true 10 test -S "$scratch/syslog"
  assert_exit 0 in_own_dev "$scratch/syslog" bash -c "$mount_and_hang_up" - "$QUIRE" "$pack" "$mnt" ''
  assert_equal "$output" '' 'a notice where there is a syslog'
  until_true 10 says "$scratch/syslog.log" "unmounted '$pack'" || fail "syslog was not told: $(cat "$scratch/syslog.log")"
else
  leave_out 'only root may have a /dev without syslog'
fi

# In the foreground as well, where log_file leaves no reason for SIGHUP to end it.
"$QUIRE" mount -f -o "log_file=$log" "$pack" "$mnt" 2>"$scratch/err" &
daemon=$!
background+=("$daemon")
until_true 10 says "$log" "mounted '$pack'" || fail 'no log in the foreground'
rm "$log"
kill -HUP "$daemon"
until_true 10 says "$log" 'opened anew' || fail 'SIGHUP did not open the log anew in the foreground'
kill -TERM "$daemon"
wait "$daemon" || fail 'SIGTERM is no success'
assert_equal "$(cat "$scratch/err")" '' 'said to stderr beside the log'

# Under nohup SIGHUP ends nothing, and opens the log anew.
env --ignore-signal=HUP "$QUIRE" mount -f -o "log_file=$log" "$pack" "$mnt" &
daemon=$!
background+=("$daemon")
until_true 10 is_mounted "$mnt" || fail 'mount -f does not mount under nohup'
rm -f "$log"
kill -HUP "$daemon"
until_true 10 says "$log" 'opened anew' || fail 'SIGHUP did not open the log anew under nohup'
kill -TERM "$daemon"
wait "$daemon" || fail 'SIGTERM is no success under nohup'
env --ignore-signal=HUP "$QUIRE" mount -f "$pack" "$mnt" 2>/dev/null &
daemon=$!
background+=("$daemon")
until_true 10 is_mounted "$mnt" || fail 'mount -f does not mount under nohup'
kill -HUP "$daemon"
sleep 0.2
cmp "$scratch/tree/000/00001.bin" "$mnt/000/00001.bin" || fail 'SIGHUP ended a mount under nohup'
kill -TERM "$daemon"
wait "$daemon" || fail 'SIGTERM is no success under nohup'

# sd_notify(3): ready when the mount answers, stopping at its end; by a path and by an abstract name.
python3 - "$QUIRE" "$pack" "$mnt" "$scratch/notify" <<'PYTHON'
import os, socket, subprocess, sys
quire, pack, mnt, path = sys.argv[1:]
for name in path, '\0quire-test-' + str(os.getpid()):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        manager.settimeout(20)
        variables = {**os.environ, 'NOTIFY_SOCKET': name.replace('\0', '@')}
        daemon = subprocess.Popen([quire, 'mount', '-f', '-o', 'log_level=error', pack, mnt], env=variables)
        try:
            assert manager.recv(1000) == b'READY=1'
            assert os.listdir(mnt) == ['000']
            daemon.terminate()
            assert manager.recv(1000) == b'STOPPING=1'
            assert daemon.wait(20) == 0
        finally:
            daemon.kill()
PYTHON
pass
