# SPDX-License-Identifier: GPL-2.0-or-later
"""sender.py UID PORT: sends numbered datagrams as that user to the server in both families, as fast
as one a millisecond, by connected and unconnected sockets, until SIGTERM; then prints what became of
them."""

import collections
import errno
import json
import os
import signal
import socket
import sys
import time

SERVERS = {4: "203.0.113.1", 6: "2001:db8:ffff::1"}
uid, port = int(sys.argv[1]), int(sys.argv[2])
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)

going = True
counts = collections.Counter()


def stop(*_):
    global going
    going = False


def note_answers(sock):
    while True:
        try:
            answer = sock.recv(100)
        except BlockingIOError:
            return
        except OSError as error:
            counts[errno.errorcode[error.errno]] += 1
        else:
            counts["answered to " + answer.split()[1].decode()] += 1


signal.signal(signal.SIGTERM, stop)
sockets = []
for family, address in SERVERS.items():
    for connected in (False, True):
        sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sockets.append([sock, (address, port), connected])

print("sending", flush=True)
number = 0
while going:
    for entry in sockets:
        sock, server, connect = entry
        number += 1
        try:
            if connect:  # keeps a route of its own in the socket
                sock.connect(server)
                entry[2] = False
            sock.sendto(b"%d uid %d" % (number, uid), server)
            counts["sent"] += 1
        except OSError as error:
            counts[errno.errorcode[error.errno]] += 1
        note_answers(sock)
    time.sleep(0.001)
print(json.dumps(counts))
