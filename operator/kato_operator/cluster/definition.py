"""The operator's own CRD: before it is installed, there is nothing to watch."""

import asyncio

import structlog

from kato_operator import names
from kato_operator.cluster.kube import Kube
from kato_operator.errors import KubeError, MissingError
from kato_operator.kinds import INSTANCE

log = structlog.get_logger()

REMIND_EVERY_LOOKS = 10
MISSING = (
    f"the CRD {names.PLURAL}.{names.GROUP} is not installed: install the chart with"
    " crds.install=true, or kubectl apply --server-side -f crds/"
)


class Definition:
    """Whether the API server serves KatoInstances.

    Args:
        namespace: The only namespace to look at; empty: all of them.
        look_every_s: Seconds between two looks while the CRD is missing.
    """

    def __init__(self, kube: Kube, *, namespace: str, look_every_s: float) -> None:
        self._kube = kube
        self._namespace = namespace
        self._look_every_s = look_every_s
        self.is_missing = False

    async def served(self) -> None:
        """Wait until KatoInstances are served, and say meanwhile what is missing."""
        looks = 0
        while not await self.is_served():
            if self.is_missing and looks % REMIND_EVERY_LOOKS == 0:
                log.warning("waiting for the CRD", problem=MISSING)
            looks += 1
            await asyncio.sleep(self._look_every_s)
        if self.is_missing:
            self.is_missing = False
            log.info("the CRD is installed")

    async def is_served(self) -> bool:
        """Whether KatoInstances can be listed now."""
        try:
            await self._kube.peek(INSTANCE, namespace=self._namespace)
        except MissingError:
            self.is_missing = True
            return False
        except KubeError as error:
            log.warning("the CRD could not be looked up", error=str(error))
            return False
        return True
