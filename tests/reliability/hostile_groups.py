"""The 44 groups of hostile and broken inputs, and which tests try each: `module::test`, or a part of the test's name.

`test_hostile_groups.py` checks that they exist, and writes the table of docs/reliability.md.
"""

from __future__ import annotations

from dataclasses import dataclass

_PICKLES, _ARCHIVES, _TENSORS = (f"model_file/test_hostile_{name}.py" for name in ("pickles", "archives", "tensors"))
_GADGETS, _OPCODES = f"{_PICKLES}::test_gadgets_are_refused_by_name", f"{_PICKLES}::test_opcodes"
_ALL_IN_ALL = f"{_PICKLES}::test_nothing_is_imported_called_or_written"


@dataclass(frozen=True)
class Group:
    """What is tried, and by which tests."""

    title: str
    tests: tuple[str, ...]


GROUPS: dict[int, Group] = {
    1: Group("`os.system` by GLOBAL, protocols 0 to 2", (_GADGETS, f"{_PICKLES}::test_1_old_protocols")),
    2: Group("the same by STACK_GLOBAL", (_GADGETS, _ALL_IN_ALL)),
    3: Group("STACK_GLOBAL with names out of the memo", (_OPCODES,)),
    4: Group("INST", (_OPCODES,)),
    5: Group("OBJ", (_OPCODES,)),
    6: Group("OBJ, then POP", (_OPCODES,)),
    7: Group("NEWOBJ and NEWOBJ_EX", (_OPCODES,)),
    8: Group("BUILD with `__setstate__` or slots", (_OPCODES,)),
    9: Group("`eval`, `exec`, `getattr`, ... of builtins", (_GADGETS,)),
    10: Group("dotted names", (_GADGETS,)),
    11: Group("`functools.partial`, operator's getters", (_GADGETS, f"{_PICKLES}::test_11_partial_of_a_gadget")),
    12: Group("modules that run, write, or connect", (_GADGETS, _ALL_IN_ALL)),
    13: Group("code objects, marshal, cloudpickle", (_GADGETS,)),
    14: Group("gadgets of numpy", (_GADGETS,)),
    15: Group("gadgets of torch", (_GADGETS,)),
    16: Group("nested pickles", (_GADGETS, f"{_PICKLES}::test_16_nested_pickle")),
    17: Group("`sys.modules`", (_GADGETS,)),
    18: Group("a payload before damage", (f"{_PICKLES}::test_18_payload_before_damage",)),
    19: Group("frames that disagree", (f"{_PICKLES}::test_frames",)),
    20: Group("the extension registry", (_OPCODES,)),
    21: Group("other alphabets, `__builtin__`", (_GADGETS,)),
    22: Group("classes of `__main__`", (_GADGETS,)),
    23: Group("a class of the same name from elsewhere", (_GADGETS, "quality/test_structure.py::test_same_name_from")),
    24: Group(
        "hooks, `forward` and other replacements in a module",
        ("model_file/test_audit.py::test_24", "model_file/test_audit.py::test_24_hooks"),
    ),
    25: Group("tar, with links and `../`", (f"{_ARCHIVES}::test_25_tar",)),
    26: Group("zip: names, duplicates, headers, checksums, prefixes", (f"{_ARCHIVES}::test_26",)),
    27: Group("zip bombs", (f"{_ARCHIVES}::test_27_zip_bomb",)),
    28: Group("TorchScript, .pt2, 7z, images", (f"{_ARCHIVES}::test_28", f"{_ARCHIVES}::test_other_files")),
    29: Group("magic numbers, stacked pickles", (f"{_PICKLES}::test_29",)),
    30: Group("links, FIFO, devices, changed files", (f"{_ARCHIVES}::test_30", "reliability/test_replaced.py::test")),
    31: Group("storages of other lengths", (f"{_TENSORS}::test_31",)),
    32: Group("offsets and strides outside the storage", (f"{_TENSORS}::test_32_layout",)),
    33: Group("storages that alias", (f"{_TENSORS}::test_33_aliasing",)),
    34: Group("types of numbers, sparse, quantised, GPU", (f"{_TENSORS}::test_34",)),
    35: Group("SETITEM and the like on other things", (_OPCODES,)),
    36: Group("floods of memory and work", (f"{_TENSORS}::test_36", "model_file/test_limits.py::test_exact_limits")),
    37: Group(
        "NaN, infinities, denormals, odd statistics", (f"{_TENSORS}::test_37", "quality/test_weights.py::test_each")
    ),
    38: Group(
        "other and changed networks, wrappers, checkpoints, empty files",
        (
            "quality/test_structure.py::test_tampering_is_spelled_out",
            "quality/test_unknown.py::test_other_networks",
            "quality/test_structure.py::test_wrong_block_counts",
            "model_file/test_checkpoints.py::test",
            f"{_ARCHIVES}::test_other_files",
        ),
    ),
    39: Group(
        "images: none, odd names, formats, sizes, bombs, damage",
        (
            "examples/test_images.py::test_unusable_images_are_replaced",
            "examples/test_images.py::test_a_bomb_is_refused",
            "examples/test_images.py::test_everything_that_is_no_example",
            "examples/test_images.py::test_directories_without_examples",
            "examples/test_images.py::test_no_damage_gets_past",
        ),
    ),
    40: Group(
        "learned parameters: missing, NaN, schema, encodings, size",
        ("mapping/test_bundles.py::test_broken_files", "mapping/test_bundles.py::test_every_slip"),
    ),
    41: Group(
        "result and scratch: missing, read-only, full, relative, blanks",
        (
            "base/test_files.py::test_names_and_missing_parents",
            "base/test_files.py::test_a_read_only_directory",
            "base/test_files.py::test_on_a_disk_that_is_really_full",
            "base/test_files.py::test_relative_paths",
            "commands/test_run.py::test_scratch_that_cannot_be_written",
            "reliability/test_surroundings.py::test_a_scratch_folder_that_vanishes",
        ),
    ),
    42: Group(
        "deadlines, SIGTERM, no HOME",
        (
            "commands/test_detect.py::test",
            "test_first_moments.py::test_an_interrupt",
            "reliability/test_faults.py::test_a_few_kills",
            "reliability/test_surroundings.py::test_without_home",
        ),
    ),
    43: Group(
        "rounds: one class, few models, duplicates, broken members, interruptions",
        (
            "commands/test_configure.py::test_nothing_to_learn_from",
            "commands/test_configure.py::test_too_few_models",
            "commands/test_configure.py::test_a_second_run_continues",
            "rounds/test_reading.py::test_broken_members",
            "sweep/test_workers.py::test_a_fault_at_one_model",
        ),
    ),
    44: Group(
        "same bytes again; threads and workers change nothing",
        ("commands/test_run.py::test_number_of_threads", "sweep/test_workers.py::test_two_processes_read_the_same"),
    ),
}


def table() -> str:
    """For docs/reliability.md."""
    rows = [f"| {number} | {group.title} | {_listed(group.tests)} |" for number, group in GROUPS.items()]
    return "\n".join(("| group | what is tried | tests |", "|---|---|---|", *rows))


def _listed(tests: tuple[str, ...]) -> str:
    by_module: dict[str, list[str]] = {}
    for test in tests:
        module, _, name = test.partition("::")
        by_module.setdefault(module, []).append(name)
    return "; ".join(f"`{module}`: {', '.join(f'`{name}`' for name in names)}" for module, names in by_module.items())
