"""The adapter of the session store to Redis: scripts, their calls, encoding, errors."""
