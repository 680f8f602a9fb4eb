# The real redis-server from Debian. The operator starts it with `sh -c "exec flock … redis-server …"`.
ARG BASE
FROM ${BASE}
USER 999:999
EXPOSE 6379
CMD ["redis-server"]
