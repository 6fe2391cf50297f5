# SPDX-License-Identifier: Apache-2.0
"""Two network namespaces, of a server and of clients, and a link with latency and loss between them: by netem where the kernel
has it, else by tests/support/slow_link.cc. All of it goes away again."""
import contextlib
import dataclasses
import json
import os
import subprocess

from environment import REPOSITORY

SERVER, CLIENT = (f'quire-{role}-{os.getpid()}' for role in ('server', 'client'))
NETWORK, ADDRESS, CLIENT_ADDRESS = '10.199.7.0', '10.199.7.1', '10.199.7.2'
SLOW_LINK = f'{REPOSITORY}/build/release/bin/slow_link'
# Of programs that talk to servers: proxies, keys and certificates of whoever runs this are not theirs.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(('AWS_', 'RCLONE_')) and
               not name.lower().endswith('_proxy')} | {'RCLONE_CONFIG': '/dev/null'}
CONGESTION = 'cubic'  # Linux's own choice, whatever this machine's is
QUEUE_PACKETS = 200_000  # of netem: as many as are in flight, so that none is lost for want of room


@dataclasses.dataclass(frozen=True)
class Link:
    """Latency and loss are the same in both directions. `rate`: megabytes a second; 0: as many as the machine carries."""
    round_trip_ms: float
    loss_percent: float = 0
    rate: int = 0

    @classmethod
    def parse(cls, text):
        """'20', '20,loss=1', '20,rate=250'. ValueError for anything else."""
        first, *rest = text.split(',')
        names = {'loss': ('loss_percent', float), 'rate': ('rate', int)}
        words = dict(word.split('=', 1) for word in rest)
        if unknown := words.keys() - names:
            raise ValueError(f"'{text}': a link is MILLISECONDS[,loss=PERCENT][,rate=MB/S], and has no {', '.join(unknown)}")
        return cls(float(first), **{names[word][0]: names[word][1](value) for word, value in words.items()})

    def __str__(self):
        return (f'{self.round_trip_ms:g} ms' + (f', {self.loss_percent:g} % lost' if self.loss_percent else '') +
                (f', {self.rate} MB/s' if self.rate else ''))


def within(namespace, *command):
    """Without the mount namespace that `ip netns exec` makes: mounts are seen outside."""
    return ['nsenter', f'--net=/run/netns/{namespace}', *map(str, command)]


def run(*command, **how):
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL, **how)


@contextlib.contextmanager
def two_namespaces():
    with contextlib.ExitStack() as at_end:
        for name in (SERVER, CLIENT):
            run('ip', 'netns', 'add', name)
            at_end.callback(subprocess.run, ['ip', 'netns', 'del', name], check=False)
            run(*within(name, 'ip', 'link', 'set', 'lo', 'up'))
            # Each measurement begins as if no connection had been before it.
            run(*within(name, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/tcp_no_metrics_save'))
        yield


def has_netem():
    def tc(*words):
        return subprocess.run(within(SERVER, 'tc', 'qdisc', *words), check=False, capture_output=True).returncode == 0
    return tc('add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms') and tc('del', 'dev', 'lo', 'root')


def set_addresses():
    for name, device, address in ((SERVER, 'quire0', ADDRESS), (CLIENT, 'quire1', CLIENT_ADDRESS)):
        run(*within(name, 'ip', 'address', 'add', f'{address}/24', 'dev', device))
        run(*within(name, 'ip', 'link', 'set', device, 'up'))
        # By the route: another network namespace than the first may not choose what is not open to all.
        run(*within(name, 'ip', 'route', 'replace', f'{NETWORK}/24', 'dev', device, 'src', address, 'congctl', CONGESTION))


@contextlib.contextmanager
def by_netem(link):
    run('ip', 'link', 'add', 'quire0', 'netns', SERVER, 'type', 'veth', 'peer', 'name', 'quire1', 'netns', CLIENT)
    try:
        rules = [f'delay {link.round_trip_ms / 2}ms limit {QUEUE_PACKETS}']
        rules += [f'loss {link.loss_percent}%'] if link.loss_percent else []
        rules += [f'rate {8 * link.rate}mbit'] if link.rate else []
        for name, device in ((SERVER, 'quire0'), (CLIENT, 'quire1')):
            if link.loss_percent:  # of segments, as a network loses them
                run(*within(name, 'ip', 'link', 'set', 'dev', device, 'gso_max_segs', 1))
            run(*within(name, 'tc', 'qdisc', 'add', 'dev', device, 'root', 'netem', *' '.join(rules).split()))
        set_addresses()
        yield {}
    finally:
        run(*within(SERVER, 'ip', 'link', 'del', 'quire0'))


@contextlib.contextmanager
def by_slow_link(link):
    rules = ['delay_us', round(link.round_trip_ms * 500)]
    rules += ['loss_ppm', round(link.loss_percent * 10_000)] if link.loss_percent else []
    rules += ['rate_mbps', link.rate] if link.rate else []
    command = [SLOW_LINK, f'{SERVER}:quire0', f'{CLIENT}:quire1', *map(str, rules)]
    carried = {}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout.readline() != 'ready\n':
                raise OSError(f'{" ".join(command)}: it says on stderr why it does not work')
            set_addresses()
            yield carried
        finally:
            process.terminate()
            said = process.communicate()[0]
            carried.update(json.loads(said) if said else {})


@contextlib.contextmanager
def linked(link):
    """REQUIRES: two_namespaces. Yields a dictionary, which after the end tells what slow_link carried; empty by netem."""
    with by_netem(link) if has_netem() else by_slow_link(link) as carried:
        yield carried


def kind():
    return ('netem' if has_netem() else 'tests/support/slow_link.cc, since this kernel has no netem') + f'; TCP with {CONGESTION}'
