"""The console: a page to talk to an instance and look into it (docs/console.md)."""
