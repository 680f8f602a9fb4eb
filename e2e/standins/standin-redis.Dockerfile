# Debian's redis-server, the real one, as the operator starts it: `sh -c "exec flock … redis-server …"`.
ARG BASE
FROM ${BASE}
USER 999:999
EXPOSE 6379
CMD ["redis-server"]
