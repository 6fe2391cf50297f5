"""What the benchmarks have in common: where things are, and the kernel's caches.

QUIRE            the command to measure; default build/release/bin/quire
QUIRE_BENCH_DIR  scratch folder on a real disk; default /var/tmp/quire-bench
"""
import os
import subprocess
import sys

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), '../..'))
QUIRE = os.path.realpath(os.environ.get('QUIRE', f'{REPOSITORY}/build/release/bin/quire'))
SCRATCH = os.path.realpath(os.environ.get('QUIRE_BENCH_DIR', '/var/tmp/quire-bench'))
CORES = os.cpu_count()

os.environ['PATH'] = '/usr/sbin:/usr/bin:/sbin:/bin:' + os.environ['PATH']  # losetup, and Debian's programs before others


def say(text):
    print(text, file=sys.stderr, flush=True)


def build():
    """Brings the release up to date, unless another `quire` is measured."""
    if 'QUIRE' not in os.environ:
        for command in ('cmake --preset release -DQUIRE_TESTS=ON', 'cmake --build --preset release --target quire draw_chart'):
            subprocess.run(command.split(), check=True, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def drop_caches():
    os.sync()
    with open('/proc/sys/vm/drop_caches', 'w') as file:
        file.write('3')
