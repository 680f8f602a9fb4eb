"""The service: one KATO instance's session-isolated processor behind HTTP."""

__version__ = "0.1.0"
