"""SMILES against what is known of molecules; QM9 as it is shipped."""
import hashlib

import numpy as np
import pytest

from minigen import data
from minigen.data import molecules
from minigen.data.smiles import fingerprint, is_valid, layout, parse

try:
    from rdkit import Chem, RDLogger
except ImportError:
    Chem = None


@pytest.mark.parametrize("text", [
    "C", "O", "CC(=O)N", "C1CC1", "C#N", "CC(C)(C)C", "C1CC2CC1C2", "CC1=CC=CC=C1", "[NH3+]CC([O-])=O", "N(=O)(=O)C",
    "C=[N+]=[N-]", "[C-]#[O+]", "C(F)(F)(F)F", "C1=CC=C2C=CN=C2N1", "C-C", "C=1CC=1", "C=1CC1", "[H]C", "OO", "N#CC#N"])
def test_molecules(text):
    assert is_valid(text)


@pytest.mark.parametrize("text, fault", [
    ("", "ends in the middle"), ("C=", "ends in the middle"), ("C(C", "ends in the middle"), ("C1CC", "ends in the"),
    ("CC)C", r"'\)' at 2 closes no branch"), ("C()C", r"'\)' at 2 is out of place"), ("(C)", r"'\(' at 0 is out of place"),
    ("C==C", "'=' at 2 is out of place"), ("=C", "'=' at 0 is out of place"), ("1CC1", "'1' at 0 is out of place"),
    ("C(1)CC1", "'1' at 2 is out of place"), ("C=(C)C", r"'\(' at 2 is out of place"), ("C11", "closes a bond twice"),
    ("C1C1", "closes a bond twice"), ("C=1CC#1", "two orders, = and #"), ("C[X]", r"'\[' at 1 begins no atom"),
    ("Cc", "'c' at 1 begins no"), ("CC(C)(C)(C)C", "atom 1, C, has 5 bonds, at most 4"), ("C=O=C", "O, has 4 bonds"),
    ("C#F", "F, has 3 bonds, at most 1"), ("N(C)(C)(C)C", "N, has 4 bonds, at most 3"),
    ("[NH4+]C", "N, has 5 bonds, at most 4"), ("[OH2]C", "O, has 3 bonds"), ("CN(=C)=C", "N, has 5 bonds, at most 3"),
    ("[NH+](=O)=O", "N, has 5 bonds, at most 4")])
def test_faults_are_named(text, fault):
    with pytest.raises(ValueError, match=fault):
        parse(text)
    assert not is_valid(text)


def test_graph():
    acid = parse("CC(=O)[O-]")
    assert [atom.element for atom in acid.atoms] == list("CCOO") and acid.atoms[3].charge == -1
    assert acid.bonds == {(0, 1): 1, (1, 2): 2, (1, 3): 1}
    assert parse("C1CC1").bonds == {(0, 1): 1, (1, 2): 1, (0, 2): 1}
    assert parse("[NH3+]C").atoms[0].hydrogens == 3


@pytest.mark.parametrize("texts, others", [
    (("OCC", "CCO", "C(C)O", "C(O)C"), ("COC", "CCN", "CCCO")),
    (("C1CC1C", "CC1CC1", "C2(C)CC2"), ("C1CCC1", "CC1=CC1", "CC=CC")),
    (("[NH3+]CC([O-])=O", "O=C([O-])C[NH3+]"), ("NCC(O)=O",)),
    (("CC(F)N", "NC(C)F"), ("CCC(F)N", "CC(N)O")),
])
def test_fingerprints_know_molecules_whatever_way_they_are_written(texts, others):
    numbers = {fingerprint(parse(text)) for text in texts}
    assert len(numbers) == 1
    assert not numbers & {fingerprint(parse(text)) for text in others}


def rewritten(molecule, start, rng):
    """A line of another order of the atoms: depth first from `start`, rings closed by digits."""
    neighbours = {a: [] for a in range(len(molecule.atoms))}
    for (a, b), order in molecule.bonds.items():
        neighbours[a].append((b, "-=#"[order - 1]))
        neighbours[b].append((a, "-=#"[order - 1]))
    seen, tree, rings, number = {start}, {a: [] for a in neighbours}, {a: "" for a in neighbours}, 0
    used = set()

    def visit(a):
        nonlocal number
        for b, bond in sorted(neighbours[a], key=lambda _: rng.random()):
            pair = frozenset((a, b))
            if pair not in used:
                used.add(pair)
                if b in seen:
                    number += 1
                    rings[a] += f"{bond}{number}"
                    rings[b] += f"{bond}{number}"
                else:
                    seen.add(b)
                    tree[a].append((b, bond))
                    visit(b)

    def written(a):
        atom = molecule.atoms[a]
        return atom.element + rings[a] + "".join(f"({bond}{written(b)})" for b, bond in tree[a])

    visit(start)
    return written(start)


def test_fingerprints_of_all_ways_to_write_many_molecules():
    """400 without charges, each from three of its atoms: the same number; and of different ones, others."""
    rng = np.random.default_rng(0)
    texts = [text for text in molecules.decode(data.load("qm9", "valid")["x"][:440]) if "[" not in text][:400]
    numbers = []
    for text in texts:
        molecule = parse(text)
        numbers.append(fingerprint(molecule))
        starts = rng.integers(len(molecule.atoms), size=3)
        assert {fingerprint(parse(rewritten(molecule, a, rng))) for a in starts} == {numbers[-1]}, text
    assert len(set(numbers)) == len(texts)


def edited(text, rng):
    """With one to three characters changed, put in or left out."""
    characters = list(text)
    for _ in range(rng.integers(1, 4)):
        at, new = rng.integers(len(characters) + 1), molecules.CHARACTERS[rng.integers(18)]
        characters[at:at + rng.integers(2)] = [new] * rng.integers(2)
    return "".join(characters)


@pytest.mark.skipif(Chem is None, reason="needs RDKit")
def test_validity_is_that_of_rdkit():
    """On lines near molecules. RDKit alone forgives a bare [H] in a chain, and orders that a ring's ends do not share."""
    RDLogger.DisableLog("rdApp.*")
    rng = np.random.default_rng(1)
    texts = [edited(text, rng) for text in molecules.decode(data.load("qm9", "valid")["x"][:3000])]
    wrong = [text for text in texts if text and is_valid(text) != (Chem.MolFromSmiles(text) is not None)]
    assert len(wrong) <= 3 and not any(map(is_valid, wrong))


def test_layout_keeps_neighbours_near_and_others_apart():
    for text in ("CC1=CC=CC=C1", "C", "CC", "CC(C)(C)C", "C1CC2CC1C2"):
        molecule = parse(text)
        x = layout(molecule)
        apart = np.linalg.norm(x[:, None] - x, axis=2)
        assert x.shape == (len(molecule.atoms), 2)
        assert all(0.6 < apart[pair] < 1.5 for pair in molecule.bonds)
        assert apart[~np.eye(len(x), dtype=bool)].min(initial=1) > 0.5
    np.testing.assert_array_equal(x, layout(molecule))


# QM9


def test_qm9_is_the_published_set():
    parts = [data.load("qm9", split) for split in data.SPLITS]
    x, properties = (np.concatenate([part[column] for part in parts]) for column in ("x", "properties"))
    assert x.shape == (130_831, 29) and tuple(map(len, parts)) == (65_831, 10_000, 55_000)
    assert x.dtype == np.int64 and properties.dtype == np.float32
    order = np.argsort(np.random.default_rng(9).permutation(len(x)))  # back to stored order
    texts = molecules.decode(x[order])
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    with np.load(molecules.SHIPPED / "qm9.npz") as arrays:
        assert hashlib.sha256(arrays["text"].tobytes()).hexdigest() == digest
    assert texts[:5] == ["C", "N", "O", "C#C", "C#N"] and len(set(texts)) == len(texts)
    np.testing.assert_allclose(properties[order][0], [0.5048, 0.0, 13.21], atol=1e-4)  # methane
    np.testing.assert_allclose(properties.mean(axis=0), [0.252, 2.67, 75.3], rtol=0.01)


def test_qm9_are_molecules():
    valid = data.load("qm9", "valid")
    assert all(map(is_valid, molecules.decode(valid["x"][:2000])))
    assert valid.spaces["x"].is_text and valid.spaces["x"].names[:3] == ("end", "C", "O")
    assert valid.note == "qm9 valid split, 10,000 texts (Ramakrishnan et al. 2014, MIT)"


def test_tokens():
    x = molecules.encode(["C#N", "[NH3+]C"])
    assert x.shape == (2, 29) and molecules.decode(x) == ["C#N", "[NH3+]C"]
    assert x[0, :5].tolist() == [1, molecules.NAMES.index("#"), 3, 0, 0]
    for text in ("CS", "C" * 29):
        with pytest.raises(ValueError, match="is no line of at most 28 of the characters"):
            molecules.encode([text])
