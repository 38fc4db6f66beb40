# SPDX-License-Identifier: GPL-2.0-or-later
"""ask.py UID ADDRESS PORT udp|tcp: asks as that user, prints the answer, or what went wrong."""

import errno
import os
import socket
import sys

uid, address, port, kind = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)  # before the socket is made: the kernel goes by who made it
family = socket.AF_INET6 if ":" in address else socket.AF_INET
try:
    with socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as sock:
        # a tunnel that has just come up needs a handshake, and may lose the first datagram over it
        sock.settimeout(2)
        sock.connect((address, port))
        sock.send(b"1 question\n")
        print(sock.recv(100).split()[1].decode())
except TimeoutError:
    print("silence")
except OSError as error:
    print(errno.errorcode[error.errno])
