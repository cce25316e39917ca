"""Makes qm9.npz, which is shipped in minigen/data/shipped: python tests/make_molecules.py WHEEL

WHEEL is qm9pack-1.0.3-py3-none-any.whl, of the data set's first author (MIT): pip download --no-deps qm9pack==1.0.3.
The 3,054 molecules that fail QM9's own test of consistency are left out there. Lines of SMILES stay as they are, in
stored order; properties are rounded to what UNITS says.
"""
import csv
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from minigen.data.molecules import SHIPPED, UNITS

COLUMNS = {"gap": "HOMO_LUMO_gap_au", "dipole": "Dipole_debye", "polarizability": "Polarizability_bohr3"}


def main(wheel):
    csv.field_size_limit(10**9)
    with zipfile.ZipFile(wheel) as archive:
        rows = [row for part in (1, 2, 3) for row in csv.DictReader(
            io.TextIOWrapper(archive.open(f"qm9pack/data/qm9_part{part}.csv"), "utf-8"))]
    text = np.frombuffer("\n".join(row["SMILES"] for row in rows).encode(), np.uint8)
    values = {name: np.array([float(row[column]) for row in rows]) for name, column in COLUMNS.items()}
    integers = {name: np.rint(value / UNITS[name]).astype(np.uint16) for name, value in values.items()}
    np.savez_compressed(SHIPPED / "qm9.npz", text=text, **integers)
    print(f"{len(rows):,} molecules")


if __name__ == "__main__":
    main(*sys.argv[1:])
