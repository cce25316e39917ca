"""NVRTC's job by g++: FOLDER/kernel.cu and FOLDER/options -> FOLDER/path, which names a shared library. See build.py.

    python compile.py FOLDER

Which way a kernel's threads run is read off its text: as a loop if they are CuPy's elementwise ones, one after the
other if it has no barrier, in fibers otherwise. Dynamic shared memory becomes an array of the most that there can be.
"""
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FLAGS = ["-O1", "-shared", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing", "-fpermissive", "-U_FORTIFY_SOURCE",
         "-w", "-Wl,-Bsymbolic"]
KERNEL = re.compile(r'extern "C"\s+__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\s*\(')
DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\(\w+\)\s+)?([\w:<> ]+?)\s+(\w+)\[\];")
BARRIERS = re.compile(r"__sync|__shfl|__shared__|copy_async|shuffle|multiply_tf32")


def main(folder):
    source = DYNAMIC.sub(r"__shared__ __attribute__((aligned(16))) \1 \2[49152 / sizeof(\1)];",
                         (folder / "kernel.cu").read_text())
    body = re.sub(r"^#include.*", "", source, flags=re.MULTILINE)
    if BARRIERS.search(body):
        way = "run_in_fibers"
    else:
        way = "run_as_a_loop" if "CUPY_FOR" in body and not re.search("threadIdx|blockIdx", body) else "run_simply"
    kernels = "".join(f"KERNEL({name}, {way})\n" for name in KERNEL.findall(source))
    text = f'#include "{HERE}/kernel.h"\n#line 1 "kernel.cu"\n{source}\n{kernels}'
    given = [o.replace("--std=", "-std=") for o in (folder / "options").read_text().splitlines()]
    flags = [*FLAGS, *(o for o in given if o.startswith(("-I", "-D"))), "-std=c++17",
             f"-I{os.environ['CUPY_ON_CPU_HEADERS']}"]
    if not any(o.startswith("-DREAL=") for o in given):  # none of ours
        flags.append("-DEXITS_ALLOWED=1")
    headers = [HERE / "kernel.h", HERE.parent / "cuda_on_cpu" / "cuda_on_cpu.h"]
    key = hashlib.sha256("\0".join([text, *flags, *(h.read_text() for h in headers)]).encode()).hexdigest()[:24]
    library = Path(os.environ["CUPY_ON_CPU_LIBRARIES"]) / f"{key}.so"
    if not library.exists():
        (folder / "kernel.cpp").write_text(text)
        subprocess.run(["g++", *flags, folder / "kernel.cpp", "-o", folder / "kernel.so"], check=True)
        os.replace(folder / "kernel.so", library)
    (folder / "path").write_text(str(library))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
