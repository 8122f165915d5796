# The job as an image: docker build --tag registry.example.com/task-audit .
# The job runs as an unprivileged user without a home directory, and writes to /tmp only.

# The digest makes builds repeatable. `docker buildx imagetools inspect python:3.13-slim-bookworm` prints a newer one.
FROM docker.io/library/python:3.13-slim-bookworm@sha256:01f42367a0a94ad4bc17111776fd66e3500c1d87c15bbd6055b7371d39c124fb AS python

FROM python AS build
WORKDIR /src
# The tools of the build have an environment of their own, which does not get into the image.
RUN python -m venv /opt/task-audit && python -m venv /opt/build
COPY requirements-build.lock requirements-image.lock ./
# Wheels only: a source package would run its own code during the build.
RUN /opt/build/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes --requirement requirements-build.lock \
    && /opt/task-audit/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes --requirement requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY etl etl
COPY sql sql
COPY configs configs
COPY docs/errors docs/errors
# The image compiles the modules here, since the job cannot write there. It removes pip, since nothing is installed later.
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/task-audit/bin/pip install --no-cache-dir --no-deps --no-index dist/*.whl \
    && /opt/task-audit/bin/python -m compileall -q /opt/task-audit/lib \
    && /opt/task-audit/bin/pip uninstall --yes pip

FROM python
LABEL org.opencontainers.image.title="task-audit" \
      org.opencontainers.image.description="Audits KooDrive tasks into a warehouse" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/task-audit /opt/task-audit
ENV PATH=/opt/task-audit/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A number, since Kubernetes cannot check runAsNonRoot for a name.
USER 10001:10001
WORKDIR /tmp
# A job needs no health check: it ends with an exit code.
HEALTHCHECK NONE
STOPSIGNAL SIGTERM
# Without a shell, the program is the first process and receives signals itself.
ENTRYPOINT ["task-audit"]
CMD ["--help"]
