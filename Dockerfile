# The job as an image: docker build --tag registry.example.com/task-audit .
# It runs as nobody in particular, needs no writable place but /tmp, and has no home.

# By digest, so that tomorrow's build is today's; `docker buildx imagetools inspect python:3.13-slim-bookworm` names a newer one.
FROM docker.io/library/python:3.13-slim-bookworm@sha256:01f42367a0a94ad4bc17111776fd66e3500c1d87c15bbd6055b7371d39c124fb AS python

FROM python AS build
WORKDIR /src
RUN python -m venv /opt/task-audit
COPY requirements-image.lock ./
# Wheels only: a source package would run code of its own here.
RUN /opt/task-audit/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes --requirement requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY etl etl
COPY sql sql
COPY configs configs
COPY docs/errors docs/errors
# Compiled here, since nothing can be written there; and nothing is installed later, so the installer stays behind.
RUN /opt/task-audit/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
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
# By number, so that runAsNonRoot can be checked without looking into /etc/passwd.
USER 10001:10001
WORKDIR /tmp
# A job that ends: whoever starts it sees the exit code.
HEALTHCHECK NONE
STOPSIGNAL SIGTERM
# No shell before it, so that it is the first process and hears the signal itself.
ENTRYPOINT ["task-audit"]
CMD ["--help"]
