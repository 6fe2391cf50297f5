#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: the samplers of the Python package fit into PyTorch: DataLoader with workers that stay, torch's own samplers, distributed runs,
ImageFolder; and each example of the package runs, or says why it was not."""
import collections
import importlib.util
import os
import random
import subprocess
import sys

import harness
import pytest
import web
from quire import datasets, notices
from quire.torch import PlanSampler, QuasiRandomSampler

torch = pytest.importorskip('torch', reason='python3-torch is not installed')
torchvision = pytest.importorskip('torchvision', reason='python3-torchvision is not installed')
from PIL import Image  # pylint: disable=wrong-import-position  # which torchvision needs
from torch.utils import data  # pylint: disable=wrong-import-position

CLASSES, IMAGES = 10, 60
SAMPLES = CLASSES * IMAGES
PACKAGE = harness.REPOSITORY / 'packaging/python'
# The example, and the module without which it is not run.
NOT_IN_DEBIAN = {'tf_data.py': 'tensorflow', 'dali_file_reader.py': 'nvidia', 'hf_imagefolder.py': 'datasets'}


@pytest.fixture(name='tree', scope='module')
def make_tree(module_scratch):
    chance = random.Random(1)
    tree = module_scratch / 'images'
    rows = ['path,label']
    for label in range(CLASSES):
        (tree / 'train' / f'class {label}').mkdir(parents=True)
        for number in range(IMAGES):
            path = f'train/class {label}/{number:04}.png'
            # Noise of 60 KB, so that the pack has pages to shuffle.
            Image.frombytes('RGB', (144, 144), chance.randbytes(144 * 144 * 3)).save(tree / path)
            (tree / path).with_suffix('.cls').write_text(str(label))
            rows.append(f'{path},{label}')
    (tree / 'labels.csv').write_text('\n'.join(rows) + '\n')
    harness.pack(tree, tree.with_suffix('.quire'))
    return tree


@pytest.fixture(name='shown')
def mount_listed(tree, mount):
    shown = mount(tree.with_suffix('.quire'), 'push=off')
    harness.run('ls', '-lR', shown.path)
    return shown


@pytest.fixture(name='dataset')
def make_dataset(shown):
    return torchvision.datasets.ImageFolder(shown / 'train', torchvision.transforms.ToTensor())


@pytest.fixture(autouse=True)
def forget_warnings(monkeypatch):
    monkeypatch.setattr(notices, '_given', set())
    for name in ('LOCAL_RANK', 'LOCAL_WORLD_SIZE', 'WORLD_SIZE', 'RANK'):
        monkeypatch.delenv(name, raising=False)


def await_told(shown, told):
    harness.until(10, lambda: shown.stats()['plan']['told'] == told, lambda: f'told {told}: {shown.stats()["plan"]}')
    assert shown.stats()['plan']['unknown'] == 0


def test_same_batches_as_without(dataset, shown):
    """Two epochs by workers that stay; the mount is told both, and its readers follow."""
    def batches(wrap):
        sampler = data.RandomSampler(dataset, generator=torch.Generator().manual_seed(3))
        loader = data.DataLoader(dataset, batch_size=32, sampler=wrap(sampler), num_workers=2, persistent_workers=True)
        return [labels.tolist() for _ in range(2) for _, labels in loader]

    planned = batches(PlanSampler)
    await_told(shown, 2 * SAMPLES)
    plan = shown.stats()['plan']
    assert plan['forgotten_plans'] == 0 and plan['prefetched'] > 0, plan
    assert planned == batches(lambda sampler: sampler)


def test_any_sampler_of_torch(dataset, shown):
    told = 0
    torch.manual_seed(1)
    weights = torch.rand(SAMPLES)
    generator = torch.Generator()
    for make in (lambda: data.SequentialSampler(dataset), lambda: data.RandomSampler(dataset, replacement=True, num_samples=77, generator=generator),
                 lambda: data.WeightedRandomSampler(weights, 50, generator=generator), lambda: data.SubsetRandomSampler([3, 1, 2], generator=generator),
                 lambda: data.BatchSampler(data.RandomSampler(dataset, generator=generator), 7, drop_last=True)):
        generator.manual_seed(5)
        plain = list(make())
        generator.manual_seed(5)
        sampler = PlanSampler(make(), dataset)
        assert isinstance(sampler, data.Sampler) and list(sampler) == plain and len(sampler) == len(plain)
        told += sum(len(item) if isinstance(item, list) else 1 for item in plain)
        await_told(shown, told)


@pytest.mark.parametrize('drop_last', [False, True])
def test_distributed_sampler(dataset, shown, monkeypatch, drop_last):
    """One rank tells what all of its node read, in turns."""
    world, epochs = 4, 2
    monkeypatch.setenv('LOCAL_WORLD_SIZE', str(world))
    for epoch in range(epochs):
        orders = []
        for rank in range(world):
            monkeypatch.setenv('LOCAL_RANK', str(rank))
            plain = data.DistributedSampler(dataset, world, rank, seed=2, drop_last=drop_last)
            sampler = PlanSampler(data.DistributedSampler(dataset, world, rank, seed=2, drop_last=drop_last))
            sampler.set_epoch(epoch)
            plain.set_epoch(epoch)
            orders.append(list(sampler))
            assert orders[-1] == list(plain) and len(sampler) == len(plain)
        counts = collections.Counter(index for order in orders for index in order)
        assert len(counts) == SAMPLES and set(counts.values()) == {1}
        await_told(shown, (epoch + 1) * SAMPLES)


def test_quasi_random_as_torch_tests_its_distributed_sampler(dataset):
    for world in (1, 3, 7):
        samplers = [QuasiRandomSampler(dataset, window=4, num_replicas=world, rank=rank) for rank in range(world)]
        theirs = data.DistributedSampler(dataset, world, 0)
        assert {len(sampler) for sampler in samplers} == {len(theirs)}
        assert isinstance(samplers[0], data.Sampler)
        loaders = [data.DataLoader(range(SAMPLES), batch_size=16, sampler=sampler) for sampler in samplers]
        met = collections.Counter(int(index) for loader in loaders for batch in loader for index in batch)
        assert sorted(met) == list(range(SAMPLES)) and sum(met.values()) == world * len(theirs)
    with pytest.raises(ValueError):
        QuasiRandomSampler(dataset, num_replicas=2, rank=2)


def test_parts_of_datasets(dataset, shown):
    left, right = data.random_split(dataset, [100, SAMPLES - 100], generator=torch.Generator().manual_seed(1))
    assert datasets.sample_paths(left) == [dataset.samples[index][0] for index in left.indices]
    both = data.ConcatDataset([left, right])
    assert len(datasets.sample_paths(both)) == SAMPLES
    assert len(list(PlanSampler(data.RandomSampler(both)))) == SAMPLES
    await_told(shown, SAMPLES)
    assert sorted(QuasiRandomSampler(right)) == list(range(SAMPLES - 100))


def test_worker_seeds_stay(dataset):
    """The generator of torch is drawn from as without the plan."""
    torch.manual_seed(9)
    plain = list(data.RandomSampler(dataset)), torch.rand(3).tolist()
    torch.manual_seed(9)
    assert (list(PlanSampler(data.RandomSampler(dataset))), torch.rand(3).tolist()) == plain


def example(name, *arguments):
    if name in NOT_IN_DEBIAN and importlib.util.find_spec(NOT_IN_DEBIAN[name]) is None:
        pytest.skip(f'examples/{name} is not run: there is no module {NOT_IN_DEBIAN[name]}')
    return ['timeout', '200', sys.executable, '-B', str(PACKAGE / 'examples' / name), *map(str, arguments)]


def environment(**more):
    return os.environ | {'PYTHONPATH': str(PACKAGE), 'OMP_NUM_THREADS': '1'} | more


def run_example(name, *arguments):
    return harness.run(*example(name, *arguments), env=environment())


def test_example_train_imagefolder(shown):
    done = run_example('train_imagefolder.py', shown / 'train', '2')
    assert done.out.count(f'{SAMPLES} samples') == 2 and 'RuntimeWarning' not in done.err, done.said
    plan = shown.stats()['plan']
    assert plan['told'] == 2 * SAMPLES and plan['forgotten_plans'] == 0, plan


def test_example_train_imagefolder_distributed(shown):
    """With the variables that torchrun sets, which Debian 12 has only for older releases of Python."""
    common = {'WORLD_SIZE': '2', 'LOCAL_WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(web.free_port()), 'GLOO_SOCKET_IFNAME': 'lo'}
    ranks = [subprocess.Popen(example('train_imagefolder.py', shown / 'train', 2), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=environment(RANK=str(rank), LOCAL_RANK=str(rank), **common)) for rank in range(2)]
    for rank in ranks:
        said = rank.communicate()[0]
        assert rank.returncode == 0 and said.count(f'{SAMPLES // 2} samples') == 2, said
    plan = shown.stats()['plan']
    assert plan['told'] == 2 * SAMPLES and plan['forgotten_plans'] == 0, plan


def test_example_train_imagefolder_without_a_mount(tree):
    done = run_example('train_imagefolder.py', tree / 'train', '1')
    assert f'{SAMPLES} samples' in done.out and done.err.count('no plan is told') == 1, done.said


def test_example_train_quasi_random(shown):
    done = run_example('train_quasi_random.py', shown / 'train')
    assert done.out.count(f'{SAMPLES} samples') == 2 and 'the same ones' in done.out, done.said


def test_example_read_pack(tree):
    pytest.importorskip('pandas', reason='python3-pandas is not installed')
    pytest.importorskip('fsspec', reason='python3-fsspec is not installed')
    run_example('read_pack.py', tree.with_suffix('.quire')).says('PNG, 144 x 144', f'{SAMPLES} rows', f'{2 * SAMPLES + 1} samples')


def test_example_webdataset_samples(tree):
    run_example('webdataset_samples.py', tree.with_suffix('.quire')).says(f'{SAMPLES + 1} samples')


def test_example_how_random():
    run_example('how_random.py', '20000', '100', '19').says('window=256', 'full shuffle')


@pytest.mark.parametrize('name', sorted(NOT_IN_DEBIAN))
def test_example_of_others(shown, name):
    run_example(name, shown / 'train').says('epoch|samples')


def test_every_example_has_a_test():
    text = open(__file__, encoding='utf-8').read()
    for path in sorted((PACKAGE / 'examples').glob('*.py')):
        assert f"'{path.name}'" in text, f'{path.name} is run by no test'
