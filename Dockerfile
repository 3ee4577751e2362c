# The detector in a container: no network, no root, nothing writable needed but the result and scratch folders.
#   docker build -t detector .
#   docker run --rm --network none -v "$PWD/samples/id-00000000:/model:ro" -v "$PWD/build:/out" detector \
#     --model_filepath /model/model.pt --examples_dirpath /model/example_data \
#     --result_filepath /out/result.txt --scratch_dirpath /out
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}

# Users get PyTorch's small CPU wheels; an offline build passes "--no-index --find-links DIR" instead.
ARG PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

WORKDIR /opt/detector
COPY pyproject.toml ./
RUN python3 -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
      > /tmp/requirements.txt \
 && python3 -m pip install --no-cache-dir --root-user-action ignore ${PIP_ARGS} -r /tmp/requirements.txt \
 && rm /tmp/requirements.txt
COPY entrypoint.py metaparameters.json metaparameters_schema.json ./
COPY detector ./detector
COPY learned_params ./learned_params
COPY reference_data ./reference_data
# Where NIST's harness looks for them.
RUN ln -s /opt/detector/metaparameters.json /metaparameters.json \
 && ln -s /opt/detector/metaparameters_schema.json /metaparameters_schema.json \
 && ln -s /opt/detector/learned_params /learned_parameters \
 && python3 -m compileall -q detector entrypoint.py

USER 65534:65534
ENTRYPOINT ["python3", "/opt/detector/entrypoint.py"]
