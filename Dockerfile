# The whole product in one image: docs/container.md. `docker build --build-arg TORCH=cuda` makes the one for GPUs.
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm

# Security updates of Debian are wanted, so no version is pinned; bookworm's ffmpeg is 5.1.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ffmpeg tini \
    && rm -rf /var/lib/apt/lists/*

# Who runs it, and what it may write to: new volumes take over who owns these folders.
RUN groupadd --gid 1000 workflow \
    && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin workflow \
    && install --directory --owner=1000 --group=1000 /data /data/inbox /data/models /data/projets_extraits

WORKDIR /app

# What scripts/setup needs and no more: a change of other code makes no environment anew.
COPY pyproject.toml ./
COPY scripts/setup scripts/
COPY cli/__init__.py cli/
COPY routes/__init__.py routes/
COPY services/__init__.py services/
COPY services/environments services/environments
COPY workflow_scripts/__init__.py workflow_scripts/
COPY workflow_scripts/common/__init__.py workflow_scripts/common/errors.py workflow_scripts/common/
COPY config/envs/environments.toml config/envs/

# One layer an environment, the one that changes least first; each needs its own lock alone.
ARG TORCH=cpu
ENV WORKFLOW_TORCH=${TORCH}
COPY config/envs/transnet_env.txt config/envs/
RUN --mount=type=cache,target=/root/.cache \
    scripts/setup transnet_env || { tail -n 40 logs/setup/transnet_env.log; exit 3; }
COPY config/envs/audio_env.txt config/envs/
RUN --mount=type=cache,target=/root/.cache \
    scripts/setup audio_env || { tail -n 40 logs/setup/audio_env.log; exit 3; }
COPY config/envs/env.txt config/envs/
RUN --mount=type=cache,target=/root/.cache \
    scripts/setup env || { tail -n 40 logs/setup/env.log; exit 3; }

COPY . .
RUN scripts/setup --check \
    && rm -r inbox logs projets_extraits \
    && env/bin/python -m compileall -q app.py transcribe.py cli debug routes services workflow_scripts

# Everything that is written goes to /data, and what may be lost to /tmp: the rest may be mounted read-only.
ENV HOME=/tmp \
    HF_HOME=/data/models/huggingface \
    TORCH_HOME=/data/models/torch \
    WORKFLOW_CONFIG_DIR=/data/config \
    WORKFLOW_DATA_DIR=/data \
    WORKFLOW_WEB_HOST=0.0.0.0 \
    WORKFLOW_WEB_PORT=8000
USER 1000:1000
EXPOSE 8000

# Healthy is who answers and has a worker. It asks this machine, whatever proxy the steps are to use.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["/app/env/bin/python", "-c", "import json, os, urllib.request as web; address = f'http://127.0.0.1:{os.environ[\"WORKFLOW_WEB_PORT\"]}/health'; answer = web.build_opener(web.ProxyHandler({})).open(address, timeout=8); raise SystemExit(json.load(answer)['status'] != 'ok')"]

# tini is process 1: it hands signals on and sees to the processes that lose their parent.
ENTRYPOINT ["tini", "--"]
CMD ["/app/scripts/container"]
