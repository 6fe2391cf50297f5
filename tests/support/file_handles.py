#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Opens files of a mount by handles that the kernel has forgotten, as servers of NFS do. As root.

file_handles.py MOUNT [PATH...]   handles of the paths below MOUNT, or of all; then names and inodes are dropped, and each is opened
                                  by its handle and compared with what its path shows; prints how many
file_handles.py --in MOUNT PATH   opens the handle that PATH has in another mount in this one; prints the error's name
"""
import ctypes
import errno
import os
import stat
import sys

MAX_HANDLE_BYTES = 128


class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_ubyte * MAX_HANDLE_BYTES)]


libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100


def handle_of(path):
    handle = Handle(bytes=MAX_HANDLE_BYTES)
    mount_id = ctypes.c_int()
    if libc.name_to_handle_at(AT_FDCWD, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount_id), 0) != 0:
        raise OSError(ctypes.get_errno(), "name_to_handle_at: " + os.strerror(ctypes.get_errno()), path)
    return handle


def open_handle(mount_fd, handle, flags):
    fd = libc.open_by_handle_at(mount_fd, ctypes.byref(handle), flags)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "open_by_handle_at: " + os.strerror(ctypes.get_errno()))
    return fd


def content(status, opened):
    if stat.S_ISREG(status.st_mode):
        with open(opened, "rb") as file:
            return file.read()
    if stat.S_ISDIR(status.st_mode):
        return sorted(os.listdir(opened))
    return None


def open_in(mount, path):
    handle = handle_of(path)
    try:
        open_handle(os.open(mount, os.O_RDONLY | os.O_DIRECTORY), handle, os.O_RDONLY)
    except OSError as error:
        print(errno.errorcode[error.errno])
    else:
        print("opened")


def main():
    if sys.argv[1] == "--in":
        return open_in(*sys.argv[2:])
    mount = sys.argv[1]
    paths = sys.argv[2:]
    if not paths:
        for folder, folders, files in os.walk(mount):
            paths += [os.path.join(folder, name) for name in folders + files if not os.path.islink(os.path.join(folder, name))]
        paths.append(mount)
    handles = [(path, handle_of(path)) for path in paths]
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("2")  # names and inodes; those of which pages are cached stay
    mount_fd = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
    found = []
    for path, handle in handles:  # all before a path is walked, which would make the kernel know the file again
        fd = open_handle(mount_fd, handle, os.O_RDONLY | os.O_NONBLOCK)
        status = os.fstat(fd)
        found.append((path, status, content(status, fd if stat.S_ISREG(status.st_mode) else f"/proc/self/fd/{fd}")))
        if stat.S_ISDIR(status.st_mode):
            os.close(fd)
    for path, status, shown in found:
        by_name = os.stat(path)
        if (status.st_ino, status.st_mode, status.st_size) != (by_name.st_ino, by_name.st_mode, by_name.st_size):
            sys.exit(f"{path}: its handle opens another file: {status} and not {by_name}")
        if shown != content(by_name, path):
            sys.exit(f"{path}: its handle shows other content")
    print(len(found))


main()
