# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard: questions for names go to the servers of DNS=, and by the way that these are for."""

import pytest
from guard import as_user, confine, is_well, reasons, table_dropped
from lab import CONFINED, LAN, OTHER, PYTHON, Tunnel

GUARDS = pytest.mark.parametrize("guard", ["no", "yes"])


@pytest.mark.parametrize("server,way", [
    ("203.0.113.1", "EPERM"), ("127.0.0.53", "EPERM"), (LAN[4], "EPERM"), ("10.64.0.1", "ECONNREFUSED"),
    ("2001:db8:ffff::1", "EPERM"), ("::1", "EPERM"), ("fd00:64:a0::1", "ECONNREFUSED")])
def test_questions_for_names_go_to_the_named_servers_alone(lab, server, way):
    confine(lab, "DNS=10.64.0.1 fd00:64:a0::1")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    assert lab.ask(CONFINED, port=53, server=server) == way
    assert lab.ask(OTHER, port=53, server=server) in ("ECONNREFUSED", "silence")
    assert reasons(lab) == ({"names": 1} if way == "EPERM" else {})


@pytest.mark.parametrize("server,way", [("203.0.113.1", "silence"), ("10.64.0.1", "ECONNREFUSED")])
def test_by_tcp_as_well(lab, server, way):
    """A connection that is not opened is not refused: the kernel tells nothing of a SYN that is dropped."""
    confine(lab, "DNS=10.64.0.1")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    assert lab.ask(CONFINED, kind="tcp", port=53, server=server) == way
    assert set(reasons(lab)) == ({"names"} if way == "silence" else set())


def test_questions_are_free_where_no_server_is_named(lab):
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    for server in "203.0.113.1", "127.0.0.53", "10.64.0.1":
        assert lab.ask(CONFINED, port=53, server=server) == "ECONNREFUSED"


ASK_BY = """
server, device = sys.argv[1:3]
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
try:
    sock.sendto(b"1 name", (server, int(sys.argv[3])))
    print("sent")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def test_a_server_that_lies_in_a_bypass_is_asked_by_the_tunnel(lab):
    """Its own route leads there; a program that picks the bypass's way gets no answer."""
    confine(lab, "DNS=192.0.2.1", "Bypass=192.0.2.0/24")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    assert as_user(lab, CONFINED, ASK_BY, "192.0.2.1", "eth0", 53) == ["EPERM"]
    assert as_user(lab, CONFINED, ASK_BY, "192.0.2.1", "wg0", 53) == ["sent"]
    assert as_user(lab, CONFINED, ASK_BY, "192.0.2.3", "eth0", 54) == ["sent"]
    assert as_user(lab, CONFINED, ASK_BY, "192.0.2.1", "eth0", 54) == ["EPERM"]
    assert reasons(lab) == {"out": 2}


# Another program's NAT leads questions to another resolver, which asks on by its own way

RESOLVE = """
import asyncio
class Resolver(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
    def datagram_received(self, data, addr):
        self.transport.sendto(b"1 resolver", addr)
async def stream(reader, writer):
    writer.write(b"1 resolver")
    writer.close()
async def main():
    for address in "127.0.0.1", "::1":
        await asyncio.get_running_loop().create_datagram_endpoint(Resolver, local_addr=(address, 5353))
        await asyncio.start_server(stream, address, 5353)
    print("listening", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
def resolver(lab):
    """root's, on this machine, at another port."""
    process = lab.popen("host", PYTHON, "-c", RESOLVE, stdout=-1, text=True)
    assert process.stdout.readline() == "listening\n"
    return process


def redirect(lab, family, target):
    word = "ip" if family == 4 else "ip6"
    lab.sh("host", f"nft 'table {word} other {{ chain output {{ type nat hook output priority -100; "
           f"meta l4proto {{ tcp, udp }} th dport 53 {target}; }}; }}'")


@GUARDS
@pytest.mark.parametrize("family,server", [(4, "10.64.0.1"), (6, "fd00:64:a0::1")], ids=["4", "6"])
@pytest.mark.usefixtures("resolver")
def test_a_question_that_another_program_leads_to_a_resolver_of_the_machine_is_not_asked(lab, family, server,
                                                                                       guard):
    """BPF sees it behind the NAT: for another port, and by loopback."""
    confine(lab, f"DNS={server}", f"Guard={guard}")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    redirect(lab, family, "redirect to :5353")
    assert lab.ask(CONFINED, port=53, server=server) == ("resolver" if guard == "no" else "EPERM")
    assert lab.ask(OTHER, port=53, server=server) == "resolver"
    if guard == "yes":
        assert table_dropped(lab) == 1
        assert lab.ask(CONFINED, kind="tcp", port=53, server=server) == "silence"
        assert is_well(lab)


@GUARDS
def test_nor_one_that_it_leads_out(lab, guard):
    confine(lab, "DNS=10.64.0.1", "Bypass=192.0.2.0/24", f"Guard={guard}")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    redirect(lab, 4, "dnat to 192.0.2.1:7000")
    with lab.capture() as capture:
        said = lab.ask(CONFINED, port=53, server="10.64.0.1")
    assert (capture.leaks > 0) == (guard == "no")
    assert guard == "no" or said == "EPERM"


@pytest.mark.usefixtures("resolver")
def test_questions_may_be_led_elsewhere_where_no_server_is_named(lab):
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    redirect(lab, 4, "redirect to :5353")
    assert lab.ask(CONFINED, port=53, server="10.64.0.1") == "resolver"
    assert table_dropped(lab) == 0
