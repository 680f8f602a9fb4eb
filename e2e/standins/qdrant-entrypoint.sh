#!/bin/sh
# What the operator starts in Qdrant's image, with the flags of a cluster's node.
exec python3 /usr/local/lib/qdrant_server.py "$@"
