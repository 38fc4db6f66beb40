# SPDX-License-Identifier: GPL-2.0-or-later
"""A user namespace needs no privilege, and newuidmap(1) gives it more uids than that of who made it."""

import pytest
from lab import CONFINED, CONFINED_PORT, PYTHON, SERVER, Tunnel

SUBUIDS = "100000-165535"

# The parent stands for newuidmap(1).
IN_A_NAMESPACE = """
import ctypes, os, socket, sys
uid, server, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
made, mapped = os.pipe(), os.pipe()
child = os.fork()
if child:
    os.read(made[0], 1)
    with open(f"/proc/{child}/uid_map", "w") as file:
        file.write(f"0 {uid} 1\\n1 100000 65536\\n")
    os.write(mapped[1], b"x")
    os.waitpid(child, 0)
    sys.exit()
os.close(mapped[1])
os.setresuid(uid, uid, uid)
assert ctypes.CDLL(None).unshare(0x10000000) == 0  # CLONE_NEWUSER, linux/sched.h
os.write(made[1], b"x")
os.read(mapped[0], 1)
os.setresuid(1, 1, 1)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(5)
sock.sendto(b"1 question", (server, port))
print(sock.recv(100).decode().split()[1])
"""


@pytest.mark.parametrize("users,source", [(f"{CONFINED}", "192.0.2.2"),
                                          (f"{CONFINED} {SUBUIDS}", "10.64.0.2")], ids=["not", "too"])
def test_who_it_is_there_is_confined_if_the_file_says_so(lab, users, source):
    lab.config("wg0", f"Users={users}\nGuard=yes")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    done = lab.run("host", PYTHON, "-c", IN_A_NAMESPACE, CONFINED, SERVER[4], CONFINED_PORT)
    assert done.stdout.strip() == source


@pytest.mark.parametrize("users,program,warned", [
    (f"{CONFINED}", True, True), (f"{CONFINED}", False, False), (f"{CONFINED} {SUBUIDS}", True, False)],
    ids=["not", "nobody-gives-them-away", "too"])
def test_status_warns_of_who_is_not(lab, users, program, warned):
    lab.config("wg0", f"Users={users}\nGuard=yes")
    lab.cg("reapply")
    subuid = lab.directory / "subuid"
    subuid.write_text(f"somebody:7:1\n{CONFINED}:100000:65536\n")
    programs = lab.directory / "programs"
    programs.mkdir()
    if program:
        (programs / "newuidmap").touch(0o755)
    # where this machine has the program we have none
    said = lab.run("host", "unshare", "--mount", "sh", "-ec",
                   f"mount --bind {subuid} /etc/subuid; PATH={programs} {lab.binary} status").stdout
    assert (f"wg0: uid {CONFINED} can be the uids {SUBUIDS} too" in said) == warned
