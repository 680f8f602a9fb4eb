"""The status of an instance, from what a pass has observed, and Events about it: pure functions."""
