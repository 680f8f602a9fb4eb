"""KATO as tools of agents, over the Model Context Protocol; the extra `agents` installs the SDK."""
