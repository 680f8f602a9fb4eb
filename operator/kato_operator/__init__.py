"""The operator: turns KatoInstance resources into running KATO instances."""

__version__ = "0.1.0"
