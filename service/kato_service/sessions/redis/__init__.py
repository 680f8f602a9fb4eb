"""Sessions in Redis: lock and load, save and unlock, one round trip each."""
