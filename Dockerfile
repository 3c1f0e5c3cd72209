# Serves an exported model:
#   docker build --tag recurrent .
#   docker run --publish 8000:8000 --volume "$PWD/artifact:/model:ro" recurrent
# What follows the image's name are options of `recurrent serve`.
FROM python:3.11-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/*.whl)[serve]"
# ONNX Runtime would send figures about its use to its makers.
ENV ORT_DISABLE_TELEMETRY=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["recurrent", "serve", "/model", "--host=0.0.0.0", "--port=8000"]
