"""Deep checks of stores and service, and the restarts that the operator does itself."""
