#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: the link of the benchmark of packs far away is as late, as lossy and as slow as it is told, and carries bytes whole and in order."""
import contextlib
import ctypes
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time

import harness
import pytest

sys.path.append(str(harness.REPOSITORY / 'tests/bench'))

ROUND_TRIP_MS = 20
BYTES = 16 << 20
CLONE_NEWNET = 0x40000000  # os.CLONE_NEWNET comes with Python 3.12


@pytest.fixture(name='links')
def fixture_links():
    if not harness.is_root() or not os.path.exists('/dev/net/tun'):
        pytest.skip('needs root and /dev/net/tun')
    program = harness.find_program('slow_link')
    import links  # pylint: disable=import-outside-toplevel  # of tests/bench
    links.SLOW_LINK = str(program)
    try:
        with links.two_namespaces():
            yield links
    except subprocess.CalledProcessError as error:
        pytest.skip(f'no network namespaces here: {error}')


def enter(namespace):
    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), 'setns')


@contextlib.contextmanager
def in_namespace(name):
    """This thread. Sockets that it makes stay there."""
    with open('/proc/thread-self/ns/net', 'rb') as own, open(f'/run/netns/{name}', 'rb') as other:
        enter(other)
        try:
            yield
        finally:
            enter(own)


def transfer(links, data):
    """Seconds to connect and to receive, and the sum of what came."""
    with in_namespace(links.SERVER):
        listener = socket.create_server((links.ADDRESS, 0))

    def send():
        connection, _ = listener.accept()
        with connection:
            connection.sendall(data)

    sender = threading.Thread(target=send)
    sender.start()
    with in_namespace(links.CLIENT):
        client = socket.socket()
    client.settimeout(60)
    began = time.monotonic()
    client.connect(listener.getsockname())
    connected = time.monotonic()
    digest = hashlib.sha256()
    while piece := client.recv(1 << 20):
        digest.update(piece)
    ended = time.monotonic()
    sender.join()
    client.close()
    listener.close()
    return connected - began, ended - connected, digest.digest()


def carry(links, link, size):
    data = os.urandom(size)
    with links.by_slow_link(link) as carried:
        connect_s, seconds, digest = transfer(links, data)
    assert digest == hashlib.sha256(data).digest()
    return connect_s, seconds, carried


def test_packets_are_late_and_none_is_lost(links):
    connect_s, _, carried = carry(links, links.Link(ROUND_TRIP_MS), BYTES)
    assert connect_s >= ROUND_TRIP_MS / 1000, 'a round trip'
    assert carried['forth']['lost'] == carried['back']['lost'] == 0
    assert carried['forth']['bytes'] > BYTES


def test_as_many_are_lost_as_it_is_told(links):
    _, _, carried = carry(links, links.Link(2, loss_percent=2), BYTES)
    packets = sum(way['packets'] + way['lost'] for way in carried.values())
    assert packets > BYTES / 1500, 'one by one'
    # 11,000 packets and some: five standard deviations are 0.7 %.
    assert 0.01 < sum(way['lost'] for way in carried.values()) / packets < 0.03, json.dumps(carried)


def test_it_is_no_quicker_than_it_is_told(links):
    rate = 20
    _, seconds, _ = carry(links, links.Link(2, rate=rate), BYTES)
    assert BYTES / seconds < rate * 1.05e6


@pytest.mark.parametrize('words', [(), ('one:a',), ('one:a', 'two:b', 'delay_us'), ('one:a', 'two:b', 'delay_us', 'x'), ('one', 'two:b'),
                                   ('one:a', 'two:b', 'slowness', '3')])
def test_wrong_usage_is_told(words):
    harness.run(harness.find_program('slow_link'), *words, status=2).says('usage: slow_link')
