# SPDX-License-Identifier: Apache-2.0
"""Writes archives of millions of members as a stream, each in about a microsecond and with the memory of one folder: a tar or a
zip of small files, and a tar of a few large ones whose bytes are holes of the archive. The content of a member is its number."""
import binascii
import os
import struct

MEMBERS_A_FOLDER = 1000
BLOCK = 512
MTIME = 1_000_000_000
DATA_BYTES = 10
DOS_TIME, DOS_DATE = 0, 21 << 9 | 9 << 5 | 9  # 2001-09-09


def name_of(number):
    return f'{number // MEMBERS_A_FOLDER:05}/{number % MEMBERS_A_FOLDER:03}.txt'


def data_of(number):
    return b'%0*d' % (DATA_BYTES, number)


def tar_header(name, size):
    """An ustar header, with spaces for its sum."""
    fields = [(name, 100), (b'0000644', 8), (b'0001750', 8), (b'0001750', 8), (b'%011o' % size, 12), (b'%011o' % MTIME, 12),
              (b' ' * 8, 8), (b'0', 1), (b'', 100), (b'ustar\0' b'00', 8)]
    return b''.join(text.ljust(length, b'\0') for text, length in fields).ljust(BLOCK, b'\0')


def with_sum(header):
    return header[:148] + b'%06o\0 ' % sum(header) + header[156:]


def write_tar(path, members, is_scattered=False):
    """`is_scattered`: each member lies in another folder than the one before it."""
    plain = tar_header(b'', DATA_BYTES)
    base, before, behind = sum(plain), plain[100:148], plain[156:]
    folders = -(-members // MEMBERS_A_FOLDER)
    padding = bytes(BLOCK - DATA_BYTES)
    fill = bytes(100 - len(name_of(0)))
    sums = [b'%06o\0 ' % (base + more) for more in range(100 * 255)]
    with open(path, 'wb') as archive:
        for begin in range(0, members, MEMBERS_A_FOLDER):
            pieces = []
            for at in range(begin, min(begin + MEMBERS_A_FOLDER, members)):
                number = at % folders * MEMBERS_A_FOLDER + at // folders if is_scattered else at
                name = name_of(number).encode()
                pieces += name, fill, before, sums[sum(name)], behind, data_of(number), padding
            archive.write(b''.join(pieces))
        archive.write(bytes(2 * BLOCK))


def write_zip(path, members):
    """Of stored members, with the end record of zip64."""
    local = struct.Struct('<4s5H3L2H')
    central = struct.Struct('<4s6H3L5H2L')
    with open(path, 'wb') as archive:
        directory_path = f'{path}.directory'
        with open(directory_path, 'w+b') as directory:
            offset = 0
            for begin in range(0, members, MEMBERS_A_FOLDER):
                headers, entries = [], []
                for number in range(begin, min(begin + MEMBERS_A_FOLDER, members)):
                    name, data = name_of(number).encode(), data_of(number)
                    crc = binascii.crc32(data)
                    headers += (local.pack(b'PK\3\4', 20, 0, 0, DOS_TIME, DOS_DATE, crc, DATA_BYTES, DATA_BYTES, len(name), 0),
                                name, data)
                    entries += (central.pack(b'PK\1\2', 3 << 8 | 45, 20, 0, 0, DOS_TIME, DOS_DATE, crc, DATA_BYTES, DATA_BYTES,
                                             len(name), 0, 0, 0, 0, 0o100644 << 16, offset), name)
                    offset += local.size + len(name) + DATA_BYTES
                archive.write(b''.join(headers))
                directory.write(b''.join(entries))
            size = directory.tell()
            directory.seek(0)
            while piece := directory.read(1 << 20):
                archive.write(piece)
        os.unlink(directory_path)
        archive.write(struct.pack('<4sQ2H2L4Q', b'PK\6\6', 44, 45, 45, 0, 0, members, members, size, offset))
        archive.write(struct.pack('<4sLQL', b'PK\6\7', 0, offset + size, 1))
        archive.write(struct.pack('<4s4H2LH', b'PK\5\6', 0, 0, 0xffff, 0xffff, 0xffffffff, 0xffffffff, 0))


def write_tar_of_large_files(path, members, member_bytes):
    """The bytes of the members are holes, which cost no disk."""
    step = BLOCK + -(-member_bytes // BLOCK) * BLOCK
    with open(path, 'wb') as archive:
        for number in range(members):
            archive.seek(number * step)
            archive.write(with_sum(tar_header(name_of(number).encode(), member_bytes)))
        archive.truncate(members * step + 2 * BLOCK)
