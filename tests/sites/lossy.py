"""Of the events on their way to this process some are lost, some come twice, and some come after later ones."""

import os
from random import Random
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer

from .quick_hashes import *  # noqa: F403

CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.LossyLayer", "CONFIG": {"hosts": [os.environ["REDIS_URL"]]}}}


class LossyLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # which is not typed
    """Says on standard output what has become of each event, but for those that came as they should."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lost, doubled, late = (float(os.environ.get(each, "0")) for each in ("LOST", "DOUBLED", "LATE"))
        self._fates = {"lost": lost, "doubled": doubled, "late": late, "on time": 1 - lost - doubled - late}
        self._random = Random(os.environ["SEED"])
        self._late: list[Any] = []

    async def receive(self, channel: str) -> Any:
        message = await self.__getattr__("receive")(channel)  # which the loop's own layer has
        late, self._late = self._late, []
        return {**message, "events": [each for event in message["events"] for each in self._arriving(event)] + late}

    def _arriving(self, event: Any) -> list[Any]:
        [fate] = self._random.choices([*self._fates], [*self._fates.values()])
        if fate != "on time":
            print(fate, flush=True)
        if fate == "late":
            self._late.append(event)
        return [event] * {"lost": 0, "doubled": 2, "late": 0, "on time": 1}[fate]
