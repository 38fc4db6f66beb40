# SPDX-License-Identifier: GPL-2.0-or-later
"""connection.py UID HOST PORT [FAMILY [DEVICE]]: opens a TCP connection as that user, and then does what
it reads, a word a line: "send", "ask" (send, and read the answer), "close". Prints what came of it."""

import errno
import os
import socket
import sys

uid, host, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
family = int(sys.argv[4]) if len(sys.argv) > 4 else 4
# before the socket: the kernel goes by who made it
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)

sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6)
sock.settimeout(10)
if len(sys.argv) > 5:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, sys.argv[5].encode())


def ask():
    sock.send(b"1 question\n")
    return (sock.recv(100).decode().split() or ["closed by the other side"])[-1]


COMMANDS = {"send": lambda: sock.send(b"1 question\n") and "sent", "ask": ask,
            "close": lambda: sock.close() or "closed"}

sock.connect((host, port))
print("connected", flush=True)
for line in sys.stdin:
    try:
        print(COMMANDS[line.strip()](), flush=True)
    except OSError as error:
        print(errno.errorcode.get(error.errno, error), flush=True)
