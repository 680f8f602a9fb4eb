"""The service of a KATO instance: sessions, processor and knowledge, served over HTTP."""

__version__ = "0.1.0"
