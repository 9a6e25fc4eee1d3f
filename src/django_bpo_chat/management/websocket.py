"""As much of a WebSocket's client (RFC 6455) as it takes to say one thing and hear the answer.

A site need not have a library for clients, and its servers' ones are not the same on all sites.
"""

import os
from base64 import b64encode
from contextlib import suppress
from hashlib import sha1
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import SplitResult

if TYPE_CHECKING:
    from typing_extensions import Self

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, CLOSE = 0, 1, 8
MAX_BYTES = 1024 * 1024


class Refused(Exception):
    """The handshake is answered by something else than a WebSocket. ``status`` is HTTP's."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


class WebSocket:
    """A connection to a path of a site. Raises ``OSError`` where nobody answers within ``seconds``, and ``Refused``."""

    def __init__(self, site: SplitResult, path: str, *, subprotocol: str, seconds: float) -> None:
        self._connection = connect(site, seconds)
        try:
            self._shake_hands(site, path, subprotocol)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            with suppress(OSError):  # whoever has closed it hears nothing any more
                self._send(CLOSE, (1000).to_bytes(2, "big"))
        finally:
            self._answer.close()
            self._connection.close()

    def say(self, text: str) -> None:
        self._send(TEXT, text.encode())

    def hear(self) -> str | int:
        """The next text, or the code with which the connection ends. Raises ``OSError``."""
        text = b""
        while True:
            first, payload = self._frame()
            opcode = first & 0b1111
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big")
            if opcode in {TEXT, CONTINUATION}:
                text += payload
                if first & 0b1000_0000:
                    return text.decode()

    def _shake_hands(self, site: SplitResult, path: str, subprotocol: str) -> None:
        key = b64encode(os.urandom(16))
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Origin": f"{site.scheme}://{site.netloc}",
            "Sec-WebSocket-Key": key.decode(),
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": subprotocol,
        }
        self._connection.request("GET", path, headers=headers)
        self._answer = self._connection.getresponse()
        accepted = b64encode(sha1(key + GUID, usedforsecurity=False).digest()).decode()
        if self._answer.status != 101 or self._answer.headers["Sec-WebSocket-Accept"] != accepted:
            raise Refused(self._answer.status)
        self.subprotocol = self._answer.headers["Sec-WebSocket-Protocol"]

    def _send(self, opcode: int, payload: bytes) -> None:
        """In one frame, masked as those of clients are."""
        mask, size = os.urandom(4), len(payload)
        length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        self._connection.sock.sendall(bytes([0x80 | opcode]) + length + mask + masked)

    def _frame(self) -> tuple[int, bytes]:
        """Its first byte, and its payload."""
        first, length = self._read(2)
        if length >= 126:
            length = int.from_bytes(self._read(2 if length == 126 else 8), "big")
        return first, self._read(length)

    def _read(self, size: int) -> bytes:
        """From the answer, which may have read on already."""
        if size > MAX_BYTES:
            raise OSError("This is no frame")
        read = self._answer.fp.read(size)
        if len(read) < size:
            raise ConnectionResetError("The connection has ended")
        return read


def connect(site: SplitResult, seconds: float) -> HTTPConnection:
    kind = HTTPSConnection if site.scheme == "https" else HTTPConnection
    return kind(site.hostname or "", site.port, timeout=seconds)
