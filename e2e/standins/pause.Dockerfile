# The sandbox process of every pod on the test node: it only has to keep running.
ARG BASE
FROM ${BASE}
ENTRYPOINT ["sleep", "infinity"]
