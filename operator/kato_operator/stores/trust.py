"""Which certificates of a service the operator accepts: those in its Secret, now and before."""

KEPT = 3
"""Contents of a Secret that are remembered: pods use a new one only when the kubelet has it."""


class Trust:
    def __init__(self) -> None:
        self._known: dict[str, list[str]] = {}
        """By the instance's uid, the newest last."""

    def anchors(self, uid: str, certificates: str) -> str:
        """All certificates (PEM) that the service may present, or that may have signed its own.

        Args:
            certificates: What the Secret holds now; empty: the instance has no TLS.
        """
        known = self._known.setdefault(uid, [])
        if certificates and certificates not in known:
            known.append(certificates)
            del known[:-KEPT]
        return "\n".join(known) if certificates else ""

    def forget(self, uid: str) -> None:
        """Drop what is known of an instance that is deleted."""
        self._known.pop(uid, None)
