#!/bin/sh
# The operator starts this script in Qdrant's image, with the flags of a cluster node.
exec python3 /usr/local/lib/qdrant_server.py "$@"
