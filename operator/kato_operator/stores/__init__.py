"""What only the stores and the service themselves can tell: deep checks, and restarts by hand."""
