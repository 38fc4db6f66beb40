# SPDX-License-Identifier: GPL-2.0-or-later
"""orphan.py stranger IFACE MACS 4|6: a stranger on the LAN opens a connection with a program that opens
one with it (simultaneous open, RFC 9293, 3.5), acknowledges all that comes, and prints how much that was.

orphan.py program UID 4|6: the program that takes part, and closes its socket before the connection is open.
What it had to say is sent by the kernel, for a socket that belongs to no program."""

import os
import socket
import struct
import sys
import time

ETH_P = {4: 0x0800, 6: 0x86dd}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
HERE = {4: "192.0.2.2", 6: "2001:db8:1::2"}
STRANGER = {4: "192.0.2.77", 6: "2001:db8:1::77"}
PORT, STRANGERS_PORT = 7000, 7000
FIN, SYN, RST, ACK = 1, 2, 4, 16
TCP_FASTOPEN_NO_COOKIE, MSG_FASTOPEN = 34, 0x20000000  # linux/tcp.h, linux/socket.h
TCP_SYN_SENT = 2  # net/tcp_states.h


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xffff)
    return ~total & 0xffff


def segment(family, sequence, acknowledged, flags):
    """With its IP header, from the stranger."""
    source, destination = (socket.inet_pton(FAMILY[family], address[family]) for address in (STRANGER, HERE))
    tcp = struct.pack("!HHIIBBHHH", STRANGERS_PORT, PORT, sequence, acknowledged, 5 << 4, flags, 65535, 0, 0)
    pseudo = source + destination + struct.pack("!II" if family == 6 else "!HH", *(
        (len(tcp), socket.IPPROTO_TCP) if family == 6 else (socket.IPPROTO_TCP, len(tcp))))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    if family == 6:
        return struct.pack("!IHBB", 6 << 28, len(tcp), socket.IPPROTO_TCP, 64) + source + destination + tcp
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, socket.IPPROTO_TCP, 0, source,
                         destination)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + tcp


def parse(family, frame):
    """(sequence, flags, data) of the program's, or None."""
    packet = frame[14:]
    if family == 6:
        length, at, protocol = 40 + struct.unpack("!H", packet[4:6])[0], 40, packet[6]
    else:
        length, at, protocol = struct.unpack("!H", packet[2:4])[0], 20, packet[9]
    if protocol != socket.IPPROTO_TCP:
        return None
    source, _, sequence, _, offset, flags = struct.unpack("!HHIIBB", packet[at:at + 14])
    return (sequence, flags, packet[at + (offset >> 4) * 4:length]) if source == PORT else None


def stranger(interface, macs, family):
    """Until it has heard nothing for as long as the kernel waits to say something again."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P[family]))
    sock.bind((interface, 0))
    sock.settimeout(0.1)
    ethernet = bytes.fromhex(macs.replace(":", "")) + struct.pack("!H", ETH_P[family])
    print("listening", flush=True)
    heard, is_open, end = {}, False, time.monotonic() + 4
    while time.monotonic() < end:
        if not is_open:
            sock.send(ethernet + segment(family, 1000, 0, SYN))
        try:
            frame, address = sock.recvfrom(2000)
        except TimeoutError:
            continue
        found = parse(family, frame) if address[2] != socket.PACKET_OUTGOING else None
        if not found or found[1] & RST:
            continue
        sequence, flags, data = found
        is_open = is_open or bool(flags & SYN)
        if data:
            heard[sequence] = data
        end = time.monotonic() + 2
        following = (sequence + len(data) + bool(flags & (SYN | FIN))) & 0xffffffff
        sock.send(ethernet + segment(family, 1001, following, ACK))
    print(sum(map(len, heard.values())))


def program(uid, family):
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    sock = socket.socket(FAMILY[family])
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    sock.bind((HERE[family], PORT))
    # so that there is something to say before there is an answer
    sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)
    sock.setblocking(False)
    try:
        sock.sendto(b"secret" * 100, MSG_FASTOPEN, (STRANGER[family], STRANGERS_PORT))
    except OSError:
        pass
    end = time.monotonic() + 1
    while sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0] == TCP_SYN_SENT:
        if time.monotonic() > end:
            break
    sock.close()


if __name__ == "__main__":
    if sys.argv[1] == "stranger":
        stranger(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        program(int(sys.argv[2]), int(sys.argv[3]))
