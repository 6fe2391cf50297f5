# SPDX-License-Identifier: Apache-2.0
"""What a file system may hold after the power went: the system calls of a program, as strace saw them, replayed up to a
moment. What was synced is there; of all else any part may be, since disks and file systems write in an order of their
own. Names change in their order, as in the journals of file systems.

strace writes the file that Recording reads with STRACE before the command. One folder is looked at, by its absolute path."""
import os
import re

CALLS = 'openat,close,write,pwrite64,ftruncate,fallocate,fsync,fdatasync,syncfs,linkat,renameat,renameat2,unlink,unlinkat'
STRACE = ('strace', '-f', '-qq', '-xx', '-s', str(1 << 24), '-e', f'trace={CALLS}', '-e', 'signal=none')
SECTOR_BYTES = 512
CUT = object()

DONE = re.compile(r'^(\d+) +(\w+)\((.*)\) += (-?\d+)(?: .*)?$')
BEGUN = re.compile(r'^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$')
ENDED = re.compile(r'^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)(?: .*)?$')


class Call:
    def __init__(self, begin, end, name, arguments, result):
        self.begin, self.end, self.name, self.result = begin, end, name, int(result)
        self.arguments = [argument.strip() for argument in arguments.split(',')]

    def text(self, number):
        return bytes.fromhex(self.arguments[number].strip('"').replace('\\x', ''))

    def path(self, number):
        return os.fsdecode(self.text(number))


def read_calls(path):
    """In the order in which they began. A call has its begin and its end in the order of all."""
    calls, begun = [], {}
    with open(path, encoding='ascii', errors='replace') as trace:
        for at, line in enumerate(trace):
            line = line.rstrip('\n')
            if match := BEGUN.match(line):
                begun[match[1], match[2]] = (at, match[3])
            elif match := ENDED.match(line):
                begin, arguments = begun.pop((match[1], match[2]))
                calls.append(Call(begin, at, match[2], arguments + match[3], match[4]))
            elif match := DONE.match(line):
                calls.append(Call(at, at, *match.groups()[1:]))
    return sorted((call for call in calls if call.result >= 0), key=lambda call: call.begin)


class Stored:
    """A file, whatever its name: `changes` are (begin, end, offset, bytes). In place of bytes None is a length that it has at least,
    and CUT one that it has at most. `syncs` are (begin, end)."""

    def __init__(self, data=b''):
        self.data, self.changes, self.syncs = data, [], []

    def write(self, call, offset, data):
        self.changes.append((call.begin, call.end, offset, data))

    def after(self, moment, chance):
        """What may be there: `chance` is a random.Random, or a share, all or nothing, of what was not synced."""
        data = bytearray(self.data)
        for begin, end, offset, piece in self.changes:
            if begin >= moment:
                continue
            is_synced = any(sync > end and done < moment for sync, done in self.syncs)
            kept = 1 if is_synced else chance if isinstance(chance, int) else chance.choice((0, 1, None))
            if kept == 0:
                continue
            if piece is CUT:
                del data[offset:]
                continue
            if piece is None:
                data.extend(bytes(max(offset - len(data), 0)))
                continue
            data.extend(bytes(max(offset + len(piece) - len(data), 0)))
            if kept == 1:
                data[offset:offset + len(piece)] = piece
                continue
            for at in range(0, len(piece), SECTOR_BYTES):
                if chance.random() < 0.5:
                    data[offset + at:offset + min(at + SECTOR_BYTES, len(piece))] = piece[at:at + SECTOR_BYTES]
        return bytes(data)


class Recording:
    """`names`: what is in the folder before. Names are (begin, end, from, to, Stored): from is None for a new one, to for one
    that is removed."""

    def __init__(self, trace, folder, names):
        self.folder = folder
        self.before = {name: Stored(data) for name, data in names.items()}
        self.names, self.syncs, self.open = [], [], {}
        self.now = dict(self.before)
        self.calls = read_calls(trace)
        for call in self.calls:
            getattr(self, f'did_{call.name}')(call)

    def moments(self):
        """Between all calls that change something."""
        times = {time for begin, end, *_ in self.names for time in (begin, end)}
        for stored in {id(stored): stored for *_, stored in self.names}.values():
            times |= {time for begin, end, *_ in stored.changes + stored.syncs for time in (begin, end)}
        times |= {time for sync in self.syncs for time in sync}
        return sorted({time + more for time in times for more in (0, 1)})

    def state(self, moment, chance):
        """The names, and what is in them, after the power went at `moment`; and files that have no name then."""
        names = dict(self.before)
        done = [change for change in self.names if change[0] < moment]
        synced = sum(any(sync > end and finished < moment for sync, finished in self.syncs) for _, end, *_ in done)
        if isinstance(chance, int):
            count = len(done) if chance else synced
        else:
            count = chance.randint(synced, len(done))
        for _, _, source, target, stored in done[:count]:
            if source is not None:
                names.pop(source, None)
            if target is not None:
                names[target] = stored
        unnamed = {id(stored): stored for *_, stored in self.names if stored not in names.values()}
        return ({name: stored.after(moment, chance) for name, stored in names.items()},
                [stored.after(moment, chance) for stored in unnamed.values()])

    # What the calls did. Files and folders elsewhere are not known, and neither is what is done to them.

    def place(self, call, folder, name):
        """The name in the folder that this path stands for, or None."""
        path = call.path(name)
        base = None if folder is None else self.open.get(call.arguments[folder])
        if path.startswith('/'):
            head, _, tail = path.rpartition('/')
            return tail if head == self.folder else None
        return path if base == self.folder and path != '.' else None

    def did_openat(self, call):
        path, flags = call.path(1), call.arguments[2]
        base = self.open.get(call.arguments[0])
        name = self.place(call, 0, 1)
        opened = None
        if path.startswith('/proc/self/fd/'):
            opened = self.open.get(path.rpartition('/')[2])
        elif path == self.folder or (path == '.' and base == self.folder):
            opened = Stored() if 'O_TMPFILE' in flags else self.folder
        elif name is not None and name in self.now:
            opened = self.now[name]
        elif name is not None and 'O_CREAT' in flags:
            opened = self.now[name] = Stored()
            self.names.append((call.begin, call.end, None, name, opened))
        if opened is None:
            self.open.pop(str(call.result), None)
        else:
            self.open[str(call.result)] = opened

    def did_close(self, call):
        self.open.pop(call.arguments[0], None)

    def file(self, call):
        found = self.open.get(call.arguments[0])
        return found if isinstance(found, Stored) else None

    def did_pwrite64(self, call):
        if stored := self.file(call):
            stored.write(call, int(call.arguments[3]), call.text(1)[:call.result])

    def did_write(self, call):
        assert not self.file(call), 'a packer that writes without offsets is not replayed'

    def did_fallocate(self, call):
        if stored := self.file(call):
            stored.write(call, int(call.arguments[2]) + int(call.arguments[3]), None)

    def did_ftruncate(self, call):
        if stored := self.file(call):
            stored.write(call, int(call.arguments[1]), CUT)
            stored.write(call, int(call.arguments[1]), None)

    def did_fsync(self, call):
        found = self.open.get(call.arguments[0])
        if found == self.folder:
            self.syncs.append((call.begin, call.end))
        elif found:
            found.syncs.append((call.begin, call.end))

    did_fdatasync = did_fsync

    def did_syncfs(self, call):
        self.syncs.append((call.begin, call.end))
        for stored in {id(stored): stored for *_, stored in self.names}.values():
            stored.syncs.append((call.begin, call.end))

    def did_linkat(self, call):
        target = self.place(call, 2, 3)
        path = call.path(1)
        stored = self.open.get(path.rpartition('/')[2]) if path.startswith('/proc/self/fd/') else \
            self.now.get(self.place(call, 0, 1))
        if target is not None:
            self.now[target] = stored
            self.names.append((call.begin, call.end, None, target, stored))

    def did_renameat(self, call):
        source, target = self.place(call, 0, 1), self.place(call, 2, 3)
        assert (source is None) == (target is None), 'a rename between two folders is not replayed'
        if source is not None:
            self.now[target] = stored = self.now.pop(source)
            self.names.append((call.begin, call.end, source, target, stored))

    did_renameat2 = did_renameat

    def did_unlinkat(self, call):
        name = self.place(call, 0, 1)
        if name in self.now:
            self.names.append((call.begin, call.end, name, None, self.now.pop(name)))

    def did_unlink(self, call):
        name = self.place(call, None, 0)
        if name in self.now:
            self.names.append((call.begin, call.end, name, None, self.now.pop(name)))
