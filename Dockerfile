# Two images from one file:
#   docker build --target bot -t kernelwright-bot .          the service: no torch, no generated code
#   docker build --target runner -t kernelwright-runner .    the GPU machine: torch, triton, bubblewrap

FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY constraints.txt ./
RUN pip install --no-cache-dir -c constraints.txt hatchling editables
COPY pyproject.toml README.md LICENSE ./
COPY .github ./.github
COPY bot ./bot
COPY runner ./runner
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist .


FROM python:3.12-slim-bookworm AS bot
# The numeric id lets an orchestrator check that the image does not run as root.
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/kernelwright kernelwright
COPY constraints.txt /tmp/constraints.txt
RUN --mount=type=bind,from=build,source=/dist,target=/dist \
    pip install --no-cache-dir -c /tmp/constraints.txt /dist/*.whl
USER 10001
# The SQLite file of the durable requests lies here, unless KERNELWRIGHT_DATABASE_URL names a server.
WORKDIR /var/lib/kernelwright
VOLUME ["/var/lib/kernelwright"]
ENV KERNELWRIGHT_HOST=0.0.0.0 \
    KERNELWRIGHT_PORT=8080 \
    KERNELWRIGHT_STATE_DIR=/var/lib/kernelwright \
    PYTHONUNBUFFERED=1
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"KERNELWRIGHT_PORT\"]}/healthz', timeout=4)"]
CMD ["kernelwright", "serve"]


FROM nvidia/cuda:13.0.1-runtime-ubuntu24.04 AS runner
# gcc and the Python headers: Triton builds its launcher on the machine that runs the kernel.
# Exact versions of these would pin the image to one day of Ubuntu's archive, without its fixes.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        bubblewrap ca-certificates gcc git libc6-dev python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home kernelwright \
    && python3 -m venv /opt/kernelwright
ENV PATH=/opt/kernelwright/bin:$PATH \
    PYTHONUNBUFFERED=1
COPY constraints.txt /tmp/constraints.txt
# PyTorch first and alone, and without triton's pin: PyTorch's GPU builds bring their own Triton.
RUN --mount=type=bind,from=build,source=/dist,target=/dist \
    grep -v '^triton==' /tmp/constraints.txt > /opt/kernelwright/constraints.txt \
    && wheel="$(echo /dist/*.whl)" \
    && pip install --no-cache-dir -c /opt/kernelwright/constraints.txt "${wheel}[runner]"
USER 10001
WORKDIR /home/kernelwright
CMD ["python", "-m", "runner", "--help"]
