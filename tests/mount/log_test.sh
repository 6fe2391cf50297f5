#!/bin/bash
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

# With syslog there is nothing to open anew, and nothing ends.
mount_pack "$pack" "$mnt"
daemon=$(daemon_of_mount "$mnt")
kill -HUP "$daemon"
sleep 0.2
cmp "$scratch/tree/000/00001.bin" "$mnt/000/00001.bin"
! gone "$daemon" || fail 'SIGHUP ended a daemon in the background'
umount_pack "$mnt"

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
