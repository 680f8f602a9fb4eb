"""The command `kato`; the extra `command` installs what it needs."""
