# The worker and the token service in one image. Not built by the project's tests: they run without Docker.
#
#     docker build -t interview-transcription .
#     docker run --env-file .env interview-transcription                                    # the worker
#     docker run --env-file .env -e HOST=0.0.0.0 -p 8000:8000 interview-transcription python token_service.py
#
# The second one listens on a network and so needs an API_KEY in .env.
#
# A stopped worker lets its meetings go on for DRAIN_SECONDS and then needs up to a minute more: give `docker stop`
# 90 s longer than that by --time.

FROM python:3.11-slim-bookworm AS packages
COPY requirements/runtime.txt .
# exact versions with their hashes, wheels only: nothing is compiled and nothing unexpected comes in
RUN python -m venv /venv \
    && /venv/bin/python -m pip install --no-cache-dir --require-hashes --only-binary :all: -r runtime.txt

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 10001 transcriber \
    && mkdir -p /app/data \
    && chown transcriber /app/data
COPY --from=packages /venv /venv
WORKDIR /app
COPY agent agent
COPY worker.py token_service.py ./
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LOG_FORMAT=json
USER transcriber
# transcripts, when DATABASE_URL is left at SQLite, and what waits for a database that is away
VOLUME /app/data
# 8081: health of the worker; 8000: token service
EXPOSE 8081 8000
CMD ["python", "worker.py", "start"]
