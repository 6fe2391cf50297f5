# SPDX-License-Identifier: Apache-2.0
"""Writes .beton files of FFCV, version 2, and reads them, both by the public description of the format and each without the
other: what a mount of such a file must show is told by the reader."""
import json
import mmap
import struct

PAGE_BYTES = 2 << 20

# ---- The writer: field by field, as FFCV's workers do it


class Field:
    """`code`: the type's number; `align` and `form` (of struct): how its value lies in the metadata."""

    def __init__(self, name, code, align, form, arguments=b''):
        self.name, self.code, self.align, self.form, self.arguments = name, code, align, form, arguments

    def descriptor(self):
        return bytes([self.code]) + self.name.encode('ascii')[:16].ljust(16, b'\0') + self.arguments.ljust(1024, b'\0')


def float_field(name):
    return Field(name, 0, 8, 'd')


def int_field(name):
    return Field(name, 1, 8, 'q')


def image_field(name):
    """Values: ('jpg' or 'raw', width, height, data)."""
    return Field(name, 2, 1, 'BHHQ')


def bytes_field(name):
    return Field(name, 3, 1, 'QQ')


def array_field(name, descr, shape, code=4):
    """Values: the bytes of the elements. `descr`: as numpy's dtype.descr has it."""
    text = json.dumps(descr).encode()
    return Field(name, code, 8, 'Q', struct.pack('<32QQ', *shape, *[0] * (32 - len(shape)), len(text)) + text)


def json_field(name):
    """Values: what json.dumps takes."""
    return Field(name, 5, 1, 'QQ')


class Worker:
    """Fills pages of its own, which lie in the file in the order in which workers took them."""

    def __init__(self, pages, first_page_at, page_bytes):
        self.pages, self.first_page_at, self.page_bytes = pages, first_page_at, page_bytes
        self.page, self.entries = None, []

    def put(self, sample, data):
        if self.page is None or len(self.pages[self.page]) + len(data) > self.page_bytes:
            self.page = len(self.pages)
            self.pages.append(bytearray())
        place = self.first_page_at + self.page * self.page_bytes + len(self.pages[self.page])
        self.pages[self.page] += data
        self.entries.append((sample, place, len(data)))
        return place


def encode(field, value, put):
    if field.code in (0, 1):
        return (value,)
    if field.code == 2:
        mode, width, height, data = value
        return ({'jpg': 0, 'raw': 1}[mode], width, height, put(data))
    if field.code == 5:
        value = json.dumps(value).encode() + b'\0'
    return (put(value), len(value)) if field.code in (3, 5) else (put(value),)


def write(path, fields, samples, page_bytes=PAGE_BYTES, workers=1):
    """samples: a list of lists, a value for each field."""
    metadata_at = 24 + 1041 * len(fields)
    alignment = max(field.align for field in fields)
    template = bytearray()
    offsets = []
    for field in fields:
        template += bytes(-len(template) % field.align)
        offsets.append(len(template))
        template += bytes(struct.calcsize('<' + field.form))
    template += bytes(-len(template) % alignment)
    behind = metadata_at + len(template) * len(samples)
    first_page_at = behind + -behind % page_bytes
    pages = []
    team = [Worker(pages, first_page_at, page_bytes) for _ in range(workers)]
    with open(path, 'wb') as file:
        file.write(bytes(24))
        for field in fields:
            file.write(field.descriptor())
        for number, sample in enumerate(samples):
            worker = team[number // 3 % workers]
            record = bytearray(template)
            for field, offset, value in zip(fields, offsets, sample):
                struct.pack_into('<' + field.form, record, offset, *encode(field, value, lambda data: worker.put(number, data)))
            file.write(record)
        for number, page in enumerate(pages):
            file.seek(first_page_at + number * page_bytes)
            file.write(page.ljust(page_bytes, b'\0'))
        table_at = file.tell()
        for worker in team:
            for entry in worker.entries:
                file.write(struct.pack('<3Q', *entry))
        file.seek(0)
        file.write(struct.pack('<HHIQQ', 2, len(fields), page_bytes, len(samples), table_at))
    return path


# ---- The reader: by places in the file

SIGNATURES = {b'\xff\xd8\xff': '.jpg', b'\x89PNG\r\n\x1a\n': '.png', b'fLaC': '.flac'}


def number_at(data, at, width, signed=False):
    return int.from_bytes(data[at:at + width], 'little', signed=signed)


def npy_header(arguments):
    """The header of the .npy file, and the bytes that follow it."""
    shape = [number_at(arguments, 8 * i, 8) for i in range(32)]
    while shape and not shape[-1]:
        del shape[-1]
    kind = json.loads(arguments[264:264 + number_at(arguments, 256, 8)])[0][1]
    size = int(''.join(c for c in kind.split('[')[0] if c.isdigit())) * (4 if 'U' in kind else 1)
    for length in shape:
        size *= length
    text = str({'descr': kind, 'fortran_order': False, 'shape': tuple(shape)})[:-1] + ', }'
    text = text.ljust((len(text) + 11 + 63) // 64 * 64 - 11)
    return b'\x93NUMPY\1\0' + len(text + '\n').to_bytes(2, 'little') + text.encode() + b'\n', size


def read(path):
    """{(sample, name of the field): (extension, bytes)}"""
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        table_at = number_at(data, 16, 8)
        lengths = {}
        for at in range(table_at, len(data) - 23, 24):
            place, length = number_at(data, at + 8, 8), number_at(data, at + 16, 8)
            lengths[place] = max(length, lengths.get(place, 0))
        fields = []
        for at in range(24, 24 + 1041 * number_at(data, 2, 2), 1041):
            fields.append((data[at + 1:at + 17].split(b'\0')[0].decode(), data[at], data[at + 17:at + 1041]))
        files = {}
        at = 24 + 1041 * len(fields)
        has_numbers = any(code in (0, 1, 4, 6) for _, code, _ in fields)
        base = at
        for sample in range(number_at(data, 8, 8)):
            for name, code, arguments in fields:
                if code in (0, 1, 4, 6):
                    at += (base - at) % 8
                    word, at = data[at:at + 8], at + 8
                    if code == 0:
                        found = '.txt', repr(struct.unpack('<d', word)[0]).encode() + b'\n'
                    elif code == 1:
                        found = '.txt', b'%d\n' % number_at(word, 0, 8, signed=True)
                    else:
                        header, size = npy_header(arguments)
                        place = number_at(word, 0, 8)
                        found = '.npy', header + data[place:place + size]
                elif code == 2:
                    mode, width, height = data[at], number_at(data, at + 1, 2), number_at(data, at + 3, 2)
                    place, at = number_at(data, at + 5, 8), at + 13
                    found = ('.ppm', b'P6\n%d %d\n255\n' % (width, height) + data[place:place + width * height * 3]) if mode else \
                        ('.jpg', data[place:place + lengths[place]])
                else:
                    place, size, at = number_at(data, at, 8), number_at(data, at + 8, 8), at + 16
                    content = data[place:place + size]
                    kinds = [kind for begin, kind in SIGNATURES.items() if content.startswith(begin)]
                    found = ('.json', content[:-1]) if code == 5 else (kinds[0] if kinds else '', content)
                files[sample, name] = found
            if has_numbers:
                at += (base - at) % 8
        return files


def paths(path, name=lambda sample, field: f'{sample:08d}.{field}'):
    """{path in the tree: bytes}, by the default template or another one."""
    tree = {}
    for (sample, field), (extension, content) in read(path).items():
        plain = name(sample, field)
        tree[plain if plain.endswith(extension) else plain + extension] = content
    return tree
