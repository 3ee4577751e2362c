"""How much files from outside may ask for: the ceiling of every resource that reading them spends, a reason each.

One frozen value, `LIMITS`, holds them all. What is read without a limit is an attack waiting: work and memory are
bounded by these, by the time budget, and, in the sandbox, by the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class ModelFileLimits:
    """Ceilings for one model file; each is a positive int, checked at construction (`ValueError`).

    The defaults leave at least three times what the largest of the known architectures needs (DenseNet-201 and Wide
    ResNet-101 in the legacy format), and keep the memory beside the file's own bytes to a few hundred MB.
    """

    file_bytes: int = 2 << 30  # the whole file is held in memory; VGG-19 with an optimiser's two states has 1.7 GB
    members: int = 20_000  # entries of a zip archive: one for each storage, of DenseNet-201 with Adam's state 4 000
    pickle_bytes: int = 16 << 20  # one pickle: they hold names and shapes, 1 MB for the largest network
    opcodes: int = 1_000_000  # work of one pickle: an instruction and each object that it moves count one
    stack: int = 100_000  # objects on the pickle's stack at a time: networks nest, lists are filled in batches
    memo: int = 250_000  # objects that the pickle can refer back to
    arguments: int = 64  # of one call: torch's own take 8, a path as many as it has folders
    string_bytes: int = 1 << 20  # one string; legacy files carry the sources of classes, up to 40 kB
    integer_bytes: int = 16  # one integer: sizes and seeds fit 8
    header_bytes: int = 8 << 20  # the JSON at the head of a safetensors file: 100 bytes a tensor
    nesting: int = 32  # depth of modules and of attribute values: both are walked by recursion
    modules: int = 10_000  # of all networks in the file together
    tensors: int = 10_000  # of one network
    values: int = 200_000  # attribute values visited over all modules, as often as they are referred to
    text: int = 4 << 20  # characters of texts among them, as often as they are referred to: none needs a thousand

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if type(value) is not int or value < 1:
                raise ValueError(f"expected {each.name} to be a positive int, got {value!r}")


@dataclass(frozen=True)
class ImageLimits:
    """For one image and for all of a folder, as links make many files of one: bytes, parts (chunks of PNG, segments of
    JPEG) and pixels.
    """

    entries: int = 10_000  # Round 1, the largest, has 501
    file_bytes: int = 4 * 2**20  # a 256 x 256 RGB image has 0.2 MB before compression; profiles and XMP 2 MB
    file_parts: int = 4096  # encoders make one of every 8 kB or more
    file_scans: int = 64  # of a progressive JPEG, which has about ten; each costs a pass over the image
    file_work: int = 2**29  # pixels times scans: a progressive photograph of 33 megapixels has about 2**28
    all_bytes: int = 512 * 2**20  # a thousand images of half a megabyte
    all_parts: int = 200_000  # a thousand images of two hundred
    all_pixels: int = 2**27  # 2048 images of 256 x 256; as network input they take 1.6 GB


@dataclass(frozen=True)
class TextLimits:
    """Bytes of JSON and tables by what they are, and what a table may have."""

    learned_parameters: int = 2**20  # a file of one architecture; the shipped ones have up to 0.2 MB
    metaparameters: int = 1_000_000  # a few hundred bytes; a schema a few thousand
    report: int = 2**25  # of `infer`, to be shown again; those with an answer to every variant have some MB
    label: int = 256  # the file beside an image of Round 11: one integer
    truth: int = 4096  # ground_truth.csv: one character and what a spreadsheet adds to it
    statistics: int = 2**20  # NIST's model_stats.json have a few kilobytes
    table: int = 16 * 2**20  # NIST's largest METADATA.csv has 3 MB
    table_header: int = 2**16  # characters; NIST's have about two thousand
    table_rows: int = 100_000  # NIST's largest has 1104
    answers: int = 64 * 2**20  # of `evaluate`; of NIST's largest round about half a megabyte
    terms: int = 2**16  # of an evaluation: a few hundred bytes


@dataclass(frozen=True)
class ChildLimits:
    """What a child that reads one file, or the images of one folder, may use, a reason each."""

    memory_bytes: int = 2 << 30  # beside the file: in double precision VGG-19 becomes 0.6 GB in single; Pillow 0.1 GB
    cpu_seconds: int = 30  # what is read within all other limits takes 5 s on a slow machine
    header_bytes: int = 48 << 20  # of an answer: 4 MB of text at most (of a model's attributes), six bytes a letter
    wall_seconds: float = 600.0  # without an answer: a machine where 30 s of work take longer answers nothing in time


@dataclass(frozen=True)
class Limits:
    """All limits, by what they are for; `photographs` are images that are resized."""

    model_file: ModelFileLimits = field(default_factory=ModelFileLimits)
    images: ImageLimits = field(default_factory=ImageLimits)
    photographs: ImageLimits = ImageLimits(
        file_bytes=32 * 2**20,  # one of 33 megapixels as a fine JPEG, or a screen as PNG
        all_bytes=2**30,
        all_pixels=2**31,  # 170 photographs of 12 megapixels; only one of them is in memory at a time
    )
    texts: TextLimits = field(default_factory=TextLimits)
    child: ChildLimits = field(default_factory=ChildLimits)


LIMITS = Limits()
