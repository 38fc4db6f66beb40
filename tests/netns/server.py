# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers every question, by UDP and TCP in both families, with the source address that it saw."""

import asyncio
import sys


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        # the number that the question began with, so that the sender can tell answers apart
        self.transport.sendto(data.split(b" ")[0] + b" " + addr[0].encode(), addr)


async def stream(reader, writer):
    while line := await reader.readline():
        writer.write(line.split(b" ")[0].strip() + b" " +
                     writer.get_extra_info("peername")[0].encode() + b"\n")
        await writer.drain()
    writer.close()


async def main():
    loop = asyncio.get_running_loop()
    servers = []
    for port in map(int, sys.argv[1:]):
        for address in ("203.0.113.1", "2001:db8:ffff::1", "192.0.2.1", "2001:db8:1::1"):
            await loop.create_datagram_endpoint(Datagrams, local_addr=(address, port))
            servers.append(await asyncio.start_server(stream, address, port))
    print("listening", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
