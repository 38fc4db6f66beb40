# SPDX-License-Identifier: GPL-2.0-or-later
"""A systemd that says what a test wants it to say, or nothing: the other end of its private socket,
D-Bus without a bus, as far as our questions go. The machine under test has a /run of its own, so it
takes this one for its process 1."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading

METHOD_RETURN, NO_REPLY_EXPECTED = 2, 1
PATH, MEMBER, REPLY_SERIAL, SIGNATURE = 1, 3, 5, 8
GUID = b"0123456789abcdef0123456789abcdef"


def pad(data: bytearray, to: int) -> None:
    data += bytes(-len(data) % to)


def put_string(data: bytearray, text: str) -> None:
    pad(data, 4)
    data += struct.pack("<I", len(text)) + text.encode() + b"\0"


def put_variant(data: bytearray, value: str | bool | int) -> None:
    if isinstance(value, str):
        data += b"\1s\0"
        put_string(data, value)
    else:
        data += b"\1b\0" if isinstance(value, bool) else b"\1u\0"
        pad(data, 4)
        data += struct.pack("<I", value)


def array(alignment: int, items: bytes = b"") -> bytes:
    """Its length, which counts no padding in front of the first item."""
    data = bytearray(struct.pack("<I", len(items)))
    pad(data, alignment)
    return bytes(data) + items


def properties(of_unit: dict) -> bytes:
    items = bytearray()
    for key, value in of_unit.items():
        pad(items, 8)
        put_string(items, key)
        put_variant(items, value)
    return array(8, bytes(items))


def reply(serial: int, signature: str, body: bytes) -> bytes:
    fields = bytearray(struct.pack("<B3sI", REPLY_SERIAL, b"\1u\0", serial))
    if signature:
        pad(fields, 8)
        fields += struct.pack("<B3sB", SIGNATURE, b"\1g\0", len(signature))
        fields += signature.encode() + b"\0"
    head = bytearray(struct.pack("<cBBBIII", b"l", METHOD_RETURN, NO_REPLY_EXPECTED, 1, len(body), 1,
                                 len(fields)))
    head += fields
    pad(head, 8)
    return bytes(head) + body


class Call:
    """A method call that came: its serial number, object, method and what it brings."""

    def __init__(self, head: bytes, fields: bytes, body: bytes):
        self.body = body
        self.serial = struct.unpack_from("<I", head, 8)[0]
        self.texts = {}
        place = 0
        while place < len(fields):
            code, size, kind = fields[place], 4, fields[place + 2:place + 3]
            if kind in (b"s", b"o"):
                size = struct.unpack_from("<I", fields, place + 4)[0]
                self.texts[code] = fields[place + 8:place + 8 + size].decode()
                size += 5
            elif kind == b"g":
                size = fields[place + 4] + 2
            place = (place + 4 + size + 7) // 8 * 8

    @property
    def member(self) -> str:
        return self.texts[MEMBER]

    @property
    def unit(self) -> str:
        """The unit that the object stands for."""
        escaped = self.texts[PATH].rpartition("/")[2]
        return re.sub("_([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), escaped)


    @property
    def word(self) -> str:
        """The string with which the body begins."""
        return self.body[4:4 + struct.unpack_from("<I", self.body)[0]].decode()


class Systemd:
    """Listens until it is closed. units says what is known of units, and may be changed."""

    def __init__(self, lab):
        self.units: dict[str, dict] = {}
        self.talks = 0    # how often somebody came to ask
        self.waiting = 0  # how many questions have no answer yet
        self.bound: list[str] = []  # the units for which something was to be bound
        self._speaks = threading.Event()
        self._speaks.set()
        self._last = None  # of the talks that are answered
        (lab.run_dir / "systemd" / "system").mkdir(parents=True)  # sd_booted(3)
        # pylint: disable-next=consider-using-with
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(lab.run_dir / "systemd" / "private"))
        self._listener.listen()
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        self.speak()
        self._listener.close()

    def hang(self, behind: int = 0) -> None:
        """From now on nobody gets an answer, but for the talks that come first."""
        self._last = self.talks + behind
        self._speaks.clear()

    def speak(self) -> None:
        """Answers everybody, also those who wait."""
        self._speaks.set()

    def service(self, name: str, uid: int) -> None:
        """One that runs."""
        self.units[name] = {"Id": name, "LoadState": "loaded", "ActiveState": "active",
                            "UnitFileState": "static", "User": str(uid), "UID": uid}

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                talk, _ = self._listener.accept()
                self.talks += 1
                threading.Thread(target=self._talk, args=(talk, self.talks), daemon=True).start()

    def _talk(self, talk: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ValueError), talk, talk.makefile("rb") as stream:
            stream.read(1)  # the byte that carries credentials
            while (line := stream.readline()) != b"BEGIN\r\n":
                talk.send(self._authenticate(line))
            while head := stream.read(16):
                body, fields = struct.unpack_from("<I", head, 4)[0], struct.unpack_from("<I", head, 12)[0]
                call = Call(head, stream.read((fields + 7) // 8 * 8)[:fields], stream.read(body))
                self._answer(talk, call, number)

    @staticmethod
    def _authenticate(line: bytes) -> bytes:
        if line.startswith(b"AUTH EXTERNAL"):
            return b"OK " + GUID + b"\r\n"
        if not line:
            raise ValueError("hung up")
        return b"REJECTED EXTERNAL\r\n" if line.startswith(b"AUTH") else b"ERROR\r\n"

    def _answer(self, talk: socket.socket, call: Call, number: int) -> None:
        if not self._speaks.is_set() and number > self._last:
            self.waiting += 1
            self._speaks.wait()
            self.waiting -= 1
        if call.member == "GetAll":
            unknown = {"Id": call.unit, "LoadState": "not-found", "ActiveState": "inactive"}
            talk.send(reply(call.serial, "a{sv}", properties(self.units.get(call.unit, unknown))))
        elif call.member == "ListJobs":
            talk.send(reply(call.serial, "a(usssoo)", array(8)))
        else:
            if call.member == "BindMountUnit":
                self.bound.append(call.word)
            talk.send(reply(call.serial, "", b""))
