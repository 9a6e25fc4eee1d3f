"""What a client says, a JSON object at a time."""

from collections.abc import Awaitable, Callable
from typing import Any

from .. import wire
from ..exceptions import ChatError, CloseCode, Invalid, ParseError, Throttled
from ..models import CLIENT_ID_LENGTH

MOST_BAD_FRAMES = 3

Dict = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Say = Callable[[Dict], Awaitable[None]]


class Refused(Exception):
    """The connection ends with this close code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


class Disconnected(Exception):
    """The client has gone."""


class Reader:
    """``say`` answers what is no frame at all."""

    def __init__(self, receive: Receive, say: Say) -> None:
        self.say = say
        self._receive = receive
        self._bad_frames = 0

    async def event(self) -> Dict:
        """The next event of the server. Raises ``Disconnected``."""
        event: Dict = await self._receive()
        if event["type"] == "websocket.disconnect":
            raise Disconnected
        return event

    async def frame(self) -> Dict:
        """The next JSON object. Raises ``Disconnected``, and ``Refused`` at the third frame that is none."""
        while True:
            event = await self.event()
            try:
                return _object(event.get("text") or "")
            except ChatError as error:
                await self._count_bad_frame(error)

    async def _count_bad_frame(self, error: ChatError) -> None:
        self._bad_frames += 1
        await self.say(error_frame(error, {}))
        if self._bad_frames == MOST_BAD_FRAMES:
            raise Refused(CloseCode.BAD_FRAMES)


def _object(text: str) -> Dict:
    value = wire.decode(text)
    if not isinstance(value, dict):
        raise ParseError
    return value


def is_frame_id(value: Any) -> bool:
    """Whether a client may name its frame so: what is returned to it has to fit in a frame of ours."""
    return type(value) in (str, int) and len(str(value)) <= CLIENT_ID_LENGTH and str(value).isprintable()


def error_frame(error: ChatError, frame: Dict) -> Dict:
    """The ``id`` is returned where it can be one, so that the client knows what has failed."""
    named = {"id": frame["id"]} if is_frame_id(frame.get("id")) else {}
    more: Dict = {"fields": error.fields} if isinstance(error, Invalid) else {}
    if isinstance(error, Throttled):
        more = {"retry_after": error.wait}
    return {"type": "error", **named, "code": error.code, "detail": str(error.detail), **more}
