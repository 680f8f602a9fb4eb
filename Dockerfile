# Builds both images of KATO: `docker build --target service .` and `docker build --target operator .`
# BASE can be any image whose python3 is 3.11 or newer and has venv and pip.
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PYTHONDONTWRITEBYTECODE=1
RUN python3 -m venv /opt/kato
WORKDIR /src
COPY pyproject.toml setup.py constraints.txt README.md LICENSE ./
COPY operator operator
COPY service service

# Below, the files that Python compiles to do not depend on times, so that the same sources give the
# same image; and what only installs packages goes again.

FROM build AS build-service
# The matching engine is C code. Slim images lack gcc and Python's headers, so install what is missing.
RUN wanted=; command -v gcc >/dev/null || wanted="gcc libc6-dev"; \
    headers=$(python3 -c 'import sysconfig; print(sysconfig.get_paths()["include"])'); \
    [ -f "$headers/Python.h" ] || wanted="gcc libc6-dev python3-dev"; \
    [ -z "$wanted" ] || { apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $wanted; }
RUN /opt/kato/bin/pip install -q --no-compile -c constraints.txt '.[service,traces]' \
 && /opt/kato/bin/python -c 'import kato_service.search._engine' \
 && /opt/kato/bin/pip uninstall -q -y pip setuptools \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/kato/lib

FROM build AS build-operator
RUN /opt/kato/bin/pip install -q --no-compile -c constraints.txt '.[operator]' \
 && /opt/kato/bin/pip uninstall -q -y pip setuptools \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/kato/lib

FROM ${BASE} AS runtime
ENV PATH=/opt/kato/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title="KATO" \
      org.opencontainers.image.description="Deterministic pattern memory for AI systems" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /
USER 65532:65532
STOPSIGNAL SIGTERM

FROM runtime AS service
COPY --from=build-service /opt/kato /opt/kato
ENV DATA_DIR=/data
EXPOSE 8000
ENTRYPOINT ["kato-service"]

FROM runtime AS operator
COPY --from=build-operator /opt/kato /opt/kato
EXPOSE 8080
ENTRYPOINT ["kato-operator"]
