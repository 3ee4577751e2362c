# The detector in a container: no network, no root, nothing writable but the result's folder and scratch.
# docs/containers.md says how to build it, run it and submit it.
ARG BASE_IMAGE=python:3.11.14-slim-bookworm
FROM ${BASE_IMAGE}

# Users get PyTorch's small CPU wheels; an offline build passes "--no-index --find-links DIR" instead.
ARG PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

# One stage is enough: all packages come as wheels, so nothing is compiled and no compiler has to be left behind.
COPY containers/requirements.txt containers/install.sh /opt/detector/
RUN sh /opt/detector/install.sh packages ${PIP_ARGS}

COPY metaparameters.json metaparameters_schema.json /
COPY learned_params /learned_parameters
COPY entrypoint.py /opt/detector/
COPY reference_data /opt/detector/reference_data
COPY detector /opt/detector/detector
RUN sh /opt/detector/install.sh detector

# A label cannot be read from a file: `make image` and the checks pass detector.__version__, and another one is refused.
ARG VERSION=""
RUN sh /opt/detector/install.sh version ${VERSION}
LABEL org.opencontainers.image.title="pruning-trojan-detector" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.description="Is this image classifier poisoned? Pruning-based trojan detection for NIST TrojAI Rounds 1-4."

USER 65534:65534
# -s -E: packages of the user's home and Python variables of the caller must not reach the detector.
ENTRYPOINT ["python3", "-s", "-E", "/opt/detector/entrypoint.py"]
