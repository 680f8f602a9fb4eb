# The real redis-server from Debian. The operator starts it with `sh -c "exec flock … redis-server …"`.
ARG BASE
FROM ${BASE}
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends redis-server \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt
USER 999:999
EXPOSE 6379
CMD ["redis-server"]
