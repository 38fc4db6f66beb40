# SPDX-License-Identifier: GPL-2.0-or-later
"""escape.py UID WAY PORT: sends one datagram past routing rules, as that user: a program that picks its
own way out. Prints "sent", or what went wrong."""

import errno
import os
import socket
import struct
import sys

uid, way, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
SERVER4, SERVER6 = "203.0.113.1", "2001:db8:ffff::1"
IP_UNICAST_IF, IPV6_UNICAST_IF, IP_PKTINFO = 50, 76, 8  # linux/in.h, linux/in6.h
LAN = socket.if_nametoindex("eth0")

os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
TEXT = b"1 escaped"


def bind_to_device(sock, server):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    sock.sendto(TEXT, (server, port))


def unicast_if4():
    four.setsockopt(socket.IPPROTO_IP, IP_UNICAST_IF, struct.pack("!I", LAN))
    four.sendto(TEXT, (SERVER4, port))


def unicast_if6():
    six.setsockopt(socket.IPPROTO_IPV6, IPV6_UNICAST_IF, struct.pack("!I", LAN))
    six.sendto(TEXT, (SERVER6, port))


def pktinfo4():
    info = struct.pack("@I4s4s", LAN, bytes(4), bytes(4))
    four.sendmsg([TEXT], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, (SERVER4, port))


def pktinfo6():
    info = struct.pack("@16sI", bytes(16), LAN)
    six.sendmsg([TEXT], [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)], 0, (SERVER6, port))


def broadcast():
    four.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    four.sendto(TEXT, ("192.0.2.255", port))


def tcp():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        sock.connect((SERVER4, port))


WAYS = {
    "SO_BINDTODEVICE": lambda: bind_to_device(four, SERVER4),
    "SO_BINDTODEVICE 6": lambda: bind_to_device(six, SERVER6),
    "SO_BINDTODEVICE TCP": tcp,
    "IP_UNICAST_IF": unicast_if4,
    "IPV6_UNICAST_IF": unicast_if6,
    "IP_PKTINFO": pktinfo4,
    "IPV6_PKTINFO": pktinfo6,
    "broadcast": broadcast,
    "multicast 6": lambda: six.sendto(TEXT, ("ff02::1", port, 0, LAN)),
    "routable multicast 6": lambda: six.sendto(TEXT, ("ff0e::1", port, 0, LAN)),
    "link-local 6": lambda: six.sendto(TEXT, ("fe80::1", port, 0, LAN)),
}

if __name__ == "__main__":
    try:
        WAYS[way]()
        print("sent")
    except OSError as error:
        print(errno.errorcode.get(error.errno, str(error)))
