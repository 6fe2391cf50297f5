#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a program as on a kernel that lacks system calls, or behind a filter that refuses them.

    without_calls.py ERRNO CALL... -- COMMAND...      each of these calls fails with ERRNO, EPERM for instance

Needs libseccomp. 77 is the exit status where it is not there."""
import ctypes
import errno
import os
import sys

ALLOW, REFUSE = 0x7fff0000, 0x00050000  # seccomp(2): SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO


def refuse(number, calls):
    library = ctypes.CDLL('libseccomp.so.2')
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ALLOW))
    for name in calls:
        call = library.seccomp_syscall_resolve_name(name.encode())
        result = library.seccomp_rule_add_array(context, REFUSE | number, call, 0, None)
        assert result == 0, f'{name}: {os.strerror(-result)}'
    result = library.seccomp_load(context)
    assert result == 0, os.strerror(-result)


def main(arguments):
    if '--' not in arguments or arguments.index('--') < 2:
        sys.exit(__doc__)
    at = arguments.index('--')
    try:
        refuse(getattr(errno, arguments[0]), arguments[1:at])
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(77)
    os.execvp(arguments[at + 1], arguments[at + 1:])


if __name__ == '__main__':
    main(sys.argv[1:])
