#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: whatever is added to a pack, changed, removed and compacted, in whatever order, and whatever ends the writers, each generation
is the tree that a model says, for ever, for mounts that are there and for those that come.

A seed decides the tree and the steps: QUIRE_GROWTH_SEED=N does the same ones again, QUIRE_GROWTH_STEPS=300 more of them. Writers
run to their end, are killed after a while, or lose their power: then any part of what they had not synced is there (power_loss.py)."""
import base64
import json
import os
import random
import shutil
import signal
import subprocess
import time

import harness
import power_loss
from changing_tree import ChangingTree
from tree_model import describe, differences, is_below, laid_over, read_tree, without

STEPS = int(os.environ.get('QUIRE_GROWTH_STEPS', 40))
SEED = int(os.environ.get('QUIRE_GROWTH_SEED', 1))
FOLLOW_S = 60  # in which a mount that follows shows what was committed: far more than it takes
SLOTS_BYTES = 8192
MOST_LAYERS = 64
PACK_OPTIONS = ((), ('--compress', 'zstd'), ('--dedup',), ('--order', 'shuffle:7'))
ADD_OPTIONS = ((), (), ('--compress', 'zstd'), ('--compress', 'zstd', '--alone'), ('--compress', 'none'), ('--dedup',))
MOUNT_OPTIONS = ((), ('cache_size=8M', 'push=off'), ('direct_io',))


def generations(packed):
    return [one['generation'] for one in json.loads(harness.quire('generations', packed, '--json').out)['generations']]


class Operation:
    """A command that writes the pack: its `words` behind `quire`, where PACK stands for it, and the `after` of the newest generation."""

    def __init__(self, words, after, is_compaction=False):
        self.words, self.after, self.is_compaction = words, after, is_compaction

    def command(self, packed):
        return [packed if word == 'PACK' else word for word in self.words]


class Shown:
    """A mount, and the model of what it shows."""

    def __init__(self, mount, model):
        self.mount, self.model = mount, model

    def check(self):
        __tracebackhide__ = True
        assert_is(self.mount.folder, self.model)


def assert_is(folder, model):
    __tracebackhide__ = True
    found, numbers = read_tree(folder)
    found, wanted = describe(found), describe(model)
    wrong = {path: (found.get(path), wanted.get(path)) for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path)}
    assert not wrong, f'{folder}: of {len(wanted)} entries {len(wrong)} are wrong, found and wanted: {list(wrong.items())[:3]}'
    links = {path: links for path, (_, links) in numbers.items()}
    assert links == {path: entry.links for path, entry in wanted.items()}, folder
    return {path: number for path, (number, _) in numbers.items()}


class Soak:
    def __init__(self, scratch, mounts, seed):
        self.scratch, self.mounts, self.seed = scratch, mounts, seed
        self.folder = scratch / 'folder'
        self.folder.mkdir()
        self.packed = self.folder / 'p.quire'
        chance = random.Random(f'{seed} tree')
        self.trees = 0
        self.tree = ChangingTree(chance, self.new_path(), 120)
        harness.pack(os.fsdecode(self.tree.top), self.packed, *chance.choice(PACK_OPTIONS))
        self.file = os.stat(self.packed).st_ino  # of one generation a compaction makes one of one generation
        self.history = [read_tree(self.tree.top)[0]]  # by generation
        self.numbers = None  # of inodes, in the generation that was looked at last
        self.takes_s = 0.1
        self.old = Shown(self.mount('old'), self.history[0])
        self.fixed = None
        self.follow = Shown(self.mount('follow', 'follow'), self.history[0])
        self.open = []  # files of the mount that follows, and the bytes that they have
        self.did = []

    def new_path(self):
        self.trees += 1
        return self.scratch / f'tree{self.trees}'

    def mount(self, name, *options):
        return self.mounts(self.packed, *options, folder=self.scratch / name)

    @property
    def newest(self):
        return self.history[-1]

    # What is done.

    def draw_update(self, chance):
        self.tree.change(chance, chance.choice((1, 3, 10, 30)))
        return Operation(['pack', '-q', self.tree.top, '-o', 'PACK', '--update', '--jobs', chance.choice('148'),
                          *chance.choice(ADD_OPTIONS)], read_tree(self.tree.top)[0])

    def draw_append(self, chance):
        source = ChangingTree(chance, self.new_path(), chance.choice((1, 10, 40)))
        self.bring_again(chance, source)
        at = chance.choice([path for path, entry in sorted(self.newest.items()) if entry.kind == 'folder'])
        if chance.random() < 0.4:
            at = b''
        elif chance.random() < 0.4 and len(at) < 2000:
            new = os.path.join(at, source.draw_name())
            at = at if new in self.newest else new
        words = ['append', '-q', 'PACK', source.top, '--jobs', chance.choice('148'), '--order', chance.choice(('path', 'shuffle:3')),
                 *chance.choice(ADD_OPTIONS)]
        return Operation(words + [b'--at=/' + at] * bool(at), laid_over(self.newest, read_tree(source.top)[0], at))

    def bring_again(self, chance, source):
        """Names that are there already, as they are or as something else."""
        for name in chance.sample(sorted(os.listdir(self.tree.top)), min(3, len(os.listdir(self.tree.top)))):
            full, there = self.tree.full(name), source.full(name)
            if os.path.lexists(there):
                continue
            if chance.random() < 0.5:
                harness.run('cp', '-a', full, there)
            elif os.path.isdir(full):
                os.symlink(b'target', there)
            else:
                os.mkdir(there)

    def draw_remove(self, chance):
        paths = sorted(self.newest)[1:]
        if not paths:
            return self.draw_append(chance)
        gone = chance.sample(paths, min(len(paths), chance.choice((1, 1, 3, 10))))
        return Operation(['rm', '-q', 'PACK', *(b'/' + path for path in gone)], without(self.newest, gone))

    def draw_compaction(self, chance):
        words = ['compact', '-q', 'PACK', '--in-place', *chance.choice(((), ('--compress', 'zstd'), ('--compress', 'none'), ('--order', 'path')))]
        return Operation(words, self.newest, is_compaction=True)

    def adopt(self):
        """Goes on with a tree that was extracted: of which an update finds nothing to do."""
        path = self.new_path()
        harness.quire('extract', '-q', self.packed, '-C', path, '--same-permissions')
        shutil.rmtree(self.tree.top)
        self.tree = ChangingTree(random.Random(), path, 0)
        harness.pack(path, self.packed, '--update').says('nothing has changed')
        assert_is(path, self.newest)

    def draw(self, chance):
        if len(self.history) == MOST_LAYERS:
            harness.quire('rm', self.packed, b'/' + sorted(self.newest)[-1], status=1).says('64 generations')
            return self.draw_compaction(chance)
        kinds = {self.draw_update: 40, self.draw_append: 35, self.draw_remove: 20, self.draw_compaction: 5}
        if chance.random() < 0.1:
            self.adopt()
        return chance.choices(list(kinds), list(kinds.values()))[0](chance)

    # How it ends.

    def run_whole(self, operation, _):
        started = time.monotonic()
        harness.quire(*operation.command(self.packed))
        self.takes_s = time.monotonic() - started
        self.note(operation, must_be_new=True)

    def run_killed(self, operation, chance):
        with subprocess.Popen([harness.QUIRE, *operation.command(self.packed)], stderr=subprocess.DEVNULL) as writer:
            time.sleep(chance.uniform(0, 1.2 * self.takes_s))
            writer.send_signal(signal.SIGKILL)
        if not self.note(operation):
            self.run_whole(operation, chance)

    def run_cut(self, operation, chance):
        """Of a copy is recorded what the writer does to it: the pack gets what a power cut at some moment leaves of that."""
        if not shutil.which('strace'):
            return self.run_killed(operation, chance)
        folder, trace = self.scratch / 'recorded', self.scratch / 'trace'
        folder.mkdir()
        shutil.copy(self.packed, folder / 'p.quire')
        before = self.packed.read_bytes()
        harness.run(*power_loss.STRACE, '-o', trace, harness.QUIRE, *operation.command(folder / 'p.quire'))
        recording = power_loss.Recording(trace, str(folder), {'p.quire': before})
        state = recording.state(chance.choice(recording.moments() or [0]), chance.choice((0, 1, chance, chance)))[0]['p.quire']
        shutil.rmtree(folder)
        if operation.is_compaction:
            (self.folder / 'new').write_bytes(state)
            os.replace(self.folder / 'new', self.packed)
        else:
            self.put(before, state)
        if not self.note(operation):
            harness.quire(*operation.command(self.packed))
            self.note(operation, must_be_new=True)

    def put(self, before, state):
        """Into the same file, which mounts have open."""
        whole = json.loads(harness.quire('info', self.packed, '--json').out)['pack_bytes']
        assert before[SLOTS_BYTES:whole] == state[SLOTS_BYTES:whole], 'bytes of a generation were overwritten'
        with open(self.packed, 'r+b') as file:
            file.truncate(whole)
            file.seek(whole)
            file.write(state[whole:])
            file.seek(0)
            file.write(state[:SLOTS_BYTES])

    def note(self, operation, must_be_new=False):
        """Which of the two generations is there: whether it is the new one."""
        found = generations(self.packed)
        old, new = len(self.history), 1 if operation.is_compaction else len(self.history) + 1
        is_same = describe(operation.after) == describe(self.newest)
        if is_same and not operation.is_compaction:
            new = old
        assert found in ([*range(new, 0, -1)],) + (() if must_be_new else ([*range(old, 0, -1)],)), f'{found}: neither {old} nor {new}'
        is_new = len(found) == new and not (operation.is_compaction and os.stat(self.packed).st_ino == self.file)
        self.file = os.stat(self.packed).st_ino
        if is_new and operation.is_compaction:
            self.history, self.numbers = [operation.after], None
            self.await_figure(lambda figures: figures['follow']['trouble'])  # another file has the name
            self.close()
            self.follow.mount.unmount()
            self.follow = Shown(self.mount('follow', 'follow'), operation.after)
        elif is_new and not is_same:
            self.history.append(operation.after)
        return is_new

    # What holds then.

    def await_figure(self, holds):
        harness.until(FOLLOW_S, lambda: holds(json.loads((self.follow.mount / '.quire/stats').read_text())), 'the generation that is followed')

    def close(self):
        for file, _ in self.open:
            file.close()
        self.open = []

    def check_follow(self, chance):
        """The kernel remembers the generation of before, all of which was read, and files are open."""
        self.await_figure(lambda figures: figures['generation'] == len(self.history))
        for file, content in self.open:
            file.seek(0)
            assert file.read() == content, file.name
        self.follow.model = self.newest
        self.follow.check()
        self.close()
        paths = [path for path, entry in sorted(self.newest.items()) if entry.kind == 'file']
        for path in chance.sample(paths, min(len(paths), 3)):
            file = open(os.path.join(os.fsencode(self.follow.mount.folder), path), 'rb')  # pylint: disable=consider-using-with
            self.open.append((file, file.read()))

    def check(self, chance):
        before, numbers = self.history[-2] if len(self.history) > 1 else None, self.numbers
        now = self.mount('now', *chance.choice(MOUNT_OPTIONS))
        self.numbers = assert_is(now.folder, self.newest)
        now.unmount()
        if before is not None and numbers is not None:
            self.check_numbers(numbers)
        self.old.check()
        self.check_follow(chance)
        if self.fixed is None or chance.random() < 0.2:
            self.mount_another(chance)
        self.fixed.check()
        self.check_commands(chance)

    def check_numbers(self, before):
        """Folders that are there in both generations, and files of one name that nothing was done to, keep their inode numbers."""
        was, now = describe(self.history[-2]), describe(self.newest)
        for path, entry in self.newest.items():
            there = self.history[-2].get(path)
            if there is None or not entry.kind == there.kind:
                continue
            if entry.kind == 'folder' or (entry == there and was[path].links == now[path].links == 1):
                assert self.numbers[path] == before[path], path

    def mount_another(self, chance):
        if self.fixed is not None:
            self.fixed.mount.unmount()
        number = chance.randint(1, len(self.history))
        self.fixed = Shown(self.mount('fixed', f'generation={number}'), self.history[number - 1])

    def check_commands(self, chance):
        number = chance.randint(1, len(self.history))
        model = describe(self.history[number - 1])
        listed = json.loads(harness.quire('ls', '-R', '--json', self.packed, '--generation', f'{number}').stdout)['entries']
        found = {named(entry, 'path'): (entry['type'], int(entry['mode'], 8), entry['size_bytes'] * (entry['type'] == 'file'), entry['nlink'])
                 for entry in listed}
        wanted = {path: ('directory' if entry.kind == 'folder' else entry.kind, entry.mode, entry.size * (entry.kind == 'file'), entry.links)
                  for path, entry in model.items() if path}
        assert found == wanted, f'ls of generation {number}'
        if chance.random() < 0.15:
            self.verify(number)
        if number < len(self.history) and chance.random() < 0.4:
            self.check_diff(number, chance.randint(number + 1, len(self.history)))
        if chance.random() < 0.1:
            self.check_compacted(number)

    def verify(self, number):
        done = harness.quire('verify', self.packed, '--generation', f'{number}', status=None)
        assert done.returncode == 0 or (done.says('slot') and self.has_torn_slot()), done.said

    def has_torn_slot(self):
        return json.loads(harness.quire('info', self.packed, '--json').out)['damaged_slot'] is not None

    def check_diff(self, one, two):
        told = json.loads(harness.quire('generations', self.packed, '--json', '--diff', f'{one}', f'{two}').stdout)['changes']
        found = {kind: {named(change, 'path') for change in told if change['kind'] == kind} for kind in ('added', 'removed', 'changed')}
        added, removed, changed = differences(self.history[one - 1], self.history[two - 1])
        # An entry may have been removed and added again, as another one of the same bytes.
        others = found['changed'] - changed

        def known(paths):
            return {path for path in paths if not any(path != other and is_below(path, other) for other in others)}
        assert (found['added'], found['removed']) == (known(added), known(removed)), f'{one} {two}'
        assert known(changed) <= found['changed'], f'{one} {two}'

    def check_compacted(self, number):
        compacted = self.scratch / 'compacted.quire'
        if number == len(self.history):
            harness.quire('compact', '-q', self.packed, '-o', compacted)
        else:
            harness.quire('pack', '-q', '--from', self.packed, '--generation', f'{number}', '-o', compacted)
        assert generations(compacted) == [1]
        mount = self.mounts(compacted, folder=self.scratch / 'now')
        assert_is(mount.folder, self.history[number - 1])
        mount.unmount()
        compacted.unlink()

    def step(self, number):
        chance = random.Random(f'{self.seed} {number}')
        operation = self.draw(chance)
        way = chance.choices((self.run_whole, self.run_killed, self.run_cut), (65, 20, 15))[0]
        self.did.append(f'step {number}: {way.__name__} {[os.fsdecode(word) for word in operation.words]}')
        way(operation, chance)
        self.check(chance)

    def finish(self):
        self.close()
        for number in range(1, len(self.history) + 1):
            self.verify(number)
            mount = self.mount('now', f'generation={number}')
            assert_is(mount.folder, self.history[number - 1])
            mount.unmount()


def named(entry, key):
    return base64.b64decode(entry[key + '_base64']) if key + '_base64' in entry else entry[key].encode()


def test_each_generation_is_what_the_model_says(scratch, mount, tally):
    print(f'QUIRE_GROWTH_SEED={SEED} QUIRE_GROWTH_STEPS={STEPS}')
    soak = Soak(scratch, mount, SEED)
    for number in range(STEPS):
        try:
            soak.step(number)
        except BaseException:
            print('\n'.join(soak.did[-5:]))
            raise
    soak.finish()
    tally(STEPS, 'changes of packs that grow')
