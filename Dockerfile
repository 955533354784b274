# One image for every role; docker-compose.yml says which. The wall is built inside: no Node is needed on the machine.
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY requirements.lock pyproject.toml hatch_build.py README.md LICENSE config.toml ./
COPY data ./data
COPY connectors ./connectors
COPY monitor ./monitor
COPY dashboards/wall ./dashboards/wall
# --no-deps: the lock names all of them. Its tools for tests and builds stay in this stage.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && pip wheel --no-cache-dir --wheel-dir /wheels --constraint requirements.lock /wheels/livestream_monitor-*.whl

FROM python:3.11-slim-bookworm
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels livestream-monitor \
 && useradd --create-home --uid 10001 monitor \
 && install -d -o monitor -g monitor -m 700 /data
USER monitor
VOLUME /data
ENTRYPOINT ["monitor"]
CMD ["run", "--data-dir", "/data"]
