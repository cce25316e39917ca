"""Measures one import in a fresh process, NumPy's and all others that it causes included; prints a line of JSON.

    python tests/benchmarks/import_time.py minigen|torch
"""
import json
import sys
import time


def resident():
    """Resident memory of this process in kB (Linux)."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


before, start = resident(), time.perf_counter()
__import__({"minigen": "minigen.nn"}.get(sys.argv[1], sys.argv[1]))  # minigen itself imports nothing
print(json.dumps({"ms": (time.perf_counter() - start) * 1e3, "mb": (resident() - before) / 1024}))
