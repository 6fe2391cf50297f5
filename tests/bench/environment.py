# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks have in common: where things are, and the kernel's caches.

QUIRE            the command to measure; default build/release/bin/quire
QUIRE_BENCH_DIR  folder on a real disk, in which all is made in a folder quire-bench; default /var/tmp
"""
import os
import subprocess
import sys

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), '../..'))
QUIRE = os.path.realpath(os.environ.get('QUIRE', f'{REPOSITORY}/build/release/bin/quire'))
# A folder of their own, because the benchmarks clear away what earlier ones left under names such as tiny, image and images, which
# anybody may have given to what is dear to him.
SCRATCH = os.path.join(os.path.realpath(os.environ.get('QUIRE_BENCH_DIR', '/var/tmp')), 'quire-bench')
NEWER = f'{SCRATCH}/newer'  # programs of Debian testing
STORE_EPOCH = f'{REPOSITORY}/build/release/bin/store_epoch'  # epochs of what `quire bench` does not read
CORES = os.cpu_count()

# losetup, and Debian's programs before others, those of testing last.
os.environ['PATH'] = f'/usr/sbin:/usr/bin:/sbin:/bin:{os.environ["PATH"]}:{NEWER}/bin'


def say(text):
    print(text, file=sys.stderr, flush=True)


def build():
    """Brings the release up to date; where another `quire` is measured, what stands beside it alone."""
    targets = 'store_epoch' if 'QUIRE' in os.environ else 'quire store_epoch draw_chart'
    for command in ('cmake --preset release -DQUIRE_TESTS=ON', f'cmake --build --preset release --target {targets}'):
        subprocess.run(command.split(), check=True, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def drop_caches():
    os.sync()
    with open('/proc/sys/vm/drop_caches', 'w') as file:
        file.write('3')
