"""The version of the client: that of the KATO it was released with."""

VERSION = "0.1.0"
