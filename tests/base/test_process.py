"""What a process asks of the system, each in a process of its own: threads, memory, its end."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from detector.base.process import without_garbage_collection

HOME = Path(__file__).resolve().parents[2]


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    cleaned = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=HOME,
        env={**cleaned, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_numpy_starts_no_threads_of_its_own() -> None:
    program = (
        "from detector.base.process import use_one_thread_a_call; use_one_thread_a_call()\n"
        "import numpy, threadpoolctl\n"
        "print([pool['num_threads'] for pool in threadpoolctl.threadpool_info()])\n"
    )
    assert run(program).stdout == "[1]\n"


def test_who_asks_for_more_threads_gets_them() -> None:
    program = (
        "import os\n"
        "from detector.base.process import use_one_thread_a_call; use_one_thread_a_call()\n"
        "print(os.environ['OPENBLAS_NUM_THREADS'], os.environ['OMP_NUM_THREADS'])\n"
    )
    assert run(program, OPENBLAS_NUM_THREADS="2").stdout == "2 1\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults as Linux does")
def test_freed_memory_is_used_again_without_new_pages() -> None:
    """Twenty blocks of 64 MiB one after the other, every page written to: 16384 pages each if they are mapped anew."""
    program = (
        "import resource, sys\n"
        "from detector.base.process import keep_freed_memory\n"
        "if len(sys.argv) > 1: keep_freed_memory()\n"
        "for _ in range(20): b'x' * 2**26\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)\n"
    )
    faults = [
        int(subprocess.run([sys.executable, "-c", program, *more], cwd=HOME, capture_output=True, check=True).stdout)
        for more in ([], ["keep"])
    ]
    assert faults[1] < faults[0] / 2


def test_leaving_flushes_and_waits_for_nothing() -> None:
    program = (
        "import atexit, threading, time\n"
        "from detector.base.process import leave\n"
        "atexit.register(print, 'never seen')\n"
        "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "print('seen', end='')\n"
        "leave(3)\n"
    )
    done = run(program)
    assert (done.returncode, done.stdout, done.stderr) == (3, "seen", "")


def test_leaving_with_a_closed_output_still_ends_with_the_code() -> None:
    done = run("import sys; from detector.base.process import leave; sys.stdout.close(); sys.stderr = None; leave(4)")
    assert done.returncode == 4


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_again_after_imports(enabled: bool) -> None:
    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(ImportError), without_garbage_collection():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() == enabled
    finally:
        gc.unfreeze()
        (gc.enable if was else gc.disable)()


def test_inference_loads_only_what_it_needs(small_case: Any, tmp_path: Path) -> None:
    """Neither torchvision nor what learning needs; importing those took longer than measuring small networks."""
    program = (
        "import sys, entrypoint\n"
        f"code = entrypoint.main({small_case.options(tmp_path)!r})\n"
        "unwanted = {'torchvision', 'sklearn', 'scipy', 'joblib', 'threadpoolctl', 'torch._dynamo', 'pandas'}\n"
        "print(code, sorted(unwanted & sys.modules.keys()), 'torch' in sys.modules)\n"
    )
    done = run(program)
    assert done.stdout.splitlines()[-1] == "0 [] True", done.stderr


@pytest.mark.parametrize("deleted", [False, True])
def test_a_working_directory_that_is_deleted_is_left(deleted: bool, tmp_path: Path) -> None:
    program = (
        "import os, sys; from detector.base.process import leave_deleted_directory\n"
        "os.chdir(sys.argv[1]); (os.rmdir(sys.argv[1]) if len(sys.argv) > 2 else None)\n"
        "print(leave_deleted_directory(), os.getcwd())\n"
    )
    (tmp_path / "here").mkdir()
    words = [str(tmp_path / "here"), *(["deleted"] if deleted else [])]
    done = subprocess.run([sys.executable, "-c", program, *words], cwd=HOME, capture_output=True, text=True, check=True)
    assert done.stdout == ("True /\n" if deleted else f"False {tmp_path / 'here'}\n")
