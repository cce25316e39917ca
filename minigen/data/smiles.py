"""SMILES: a molecule as a line of text, and back to the graph that it stands for.

    CC(=O)N      atoms are letters, a bond is = or # (- or nothing for a single one); branches stand in brackets
    C1CC1        two equal digits are one bond more, which closes a ring
    [NH3+]       an atom with its hydrogens and charge written out; those of the others are what its valence leaves over

Weininger 1988. This is the alphabet of QM9: C N O F, charges and hydrogens in brackets, no aromatic letters. In it the
question whether a line is a molecule has an exact answer: the grammar holds, ring digits come in pairs that close no
bond twice, and no atom exceeds its valence. An ion has the valence of the neutral atom with as many electrons: N+ as C,
O+ as N, C- as N, N- as O, O- as F. A nitro group may be written N(=O)=O, which gives its nitrogen 5.

One molecule has many lines; `fingerprint` is the same for all of them. Symbols: A atoms. Read before this: nothing.
Read next: molecules.py.
"""
import re
from typing import NamedTuple

import numpy as np

PERIOD = ("", "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne")  # an element's place is how many electrons it has
VALENCE = {"H": 1, "Li": 1, "Be": 2, "B": 3, "C": 4, "N": 3, "O": 2, "F": 1}
ORDER = {"": 1, "-": 1, "=": 2, "#": 3}
TOKEN = re.compile(r"(?P<letter>[CNOF])|\[(?P<element>[HCNOF])(?P<hydrogens>H\d?)?(?P<charge>\+\d|\++|-\d|-+)?\]|"
                   r"(?P<bond>[-=#])|(?P<digit>\d)|(?P<open>\()|(?P<close>\))")
ROUNDS = 5  # of a fingerprint: what is so many bonds away is told apart


class Atom(NamedTuple):
    element: str
    charge: int = 0
    hydrogens: int | None = None  # as written in brackets; None where the valence says how many

    def valence(self):
        place = PERIOD.index(self.element) - self.charge
        return VALENCE.get(PERIOD[place], 0) if 0 < place < len(PERIOD) else 0


class Molecule(NamedTuple):
    """atoms: a list of Atom. bonds: (a, b), the numbers of two atoms, a < b -> 1, 2 or 3."""

    atoms: list
    bonds: dict

    def used(self):
        """How much of each atom's valence its bonds take, hydrogens in brackets included."""
        return [(atom.hydrogens or 0) + sum(k for pair, k in self.bonds.items() if a in pair)
                for a, atom in enumerate(self.atoms)]


def parse(text) -> Molecule:
    """The molecule of a line of SMILES. ValueError names the first fault.

    >>> parse("C#N").bonds
    {(0, 1): 3}
    """
    atoms, bonds = [], {}
    branches, rings = [], {}  # the atoms to come back to; open ring digits: digit -> (atom, bond)
    last, bond, before, at = None, "", None, 0  # before: the kind of the token before; a bond in a branch leaves it so

    def connect(a, b, order, what):
        if a == b or (min(a, b), max(a, b)) in bonds:
            raise ValueError(f"{what} closes a bond twice")
        bonds[min(a, b), max(a, b)] = order

    while at < len(text):
        token = TOKEN.match(text, at)
        if not token:
            raise ValueError(f"'{text[at]}' at {at} begins no atom, bond, ring or branch")
        kind, where = token.lastgroup, f"'{token[0]}' at {at}"
        if token["letter"] or token["element"]:
            atoms.append(_atom(token))
            if last is None and bond:
                raise ValueError(f"{where} follows a bond that begins nowhere")
            if last is not None:
                connect(last, len(atoms) - 1, ORDER[bond], where)
            last, bond, before = len(atoms) - 1, "", "atom"
        elif last is None or (bond and kind != "digit") or (before == "open" and kind != "bond"):
            raise ValueError(f"{where} is out of place")
        elif kind == "bond":
            bond = token[0]
        elif kind == "digit":
            if token[0] in rings:
                other, opened = rings.pop(token[0])
                if opened and bond and opened != bond:
                    raise ValueError(f"{where}: the ring's bond has two orders, {opened} and {bond}")
                connect(other, last, ORDER[opened or bond], where)
            else:
                rings[token[0]] = last, bond
            bond, before = "", "digit"
        elif kind == "open":
            branches.append(last)
            before = "open"
        else:
            if not branches:
                raise ValueError(f"{where} closes no branch")
            last, before = branches.pop(), "close"
        at = token.end()
    if not atoms or bond or branches or rings:
        raise ValueError("it ends in the middle: an open bond, branch or ring, or no atom at all")
    molecule = Molecule(atoms, bonds)
    _check_valences(molecule)
    return molecule


def _atom(token):
    if token["letter"]:
        return Atom(token["letter"])
    hydrogens, charge = token["hydrogens"], token["charge"]
    count = int(charge[1:]) if charge and charge[1:].isdigit() else len(charge or "")
    return Atom(token["element"], -count if charge and charge[0] == "-" else count,
                int(hydrogens[1:] or 1) if hydrogens else 0)


def _check_valences(molecule):
    for a, (atom, used) in enumerate(zip(molecule.atoms, molecule.used())):
        if used > atom.valence() and not (used == 5 and atom == Atom("N") and _has_double_oxygen(molecule, a)):
            raise ValueError(f"atom {a}, {atom.element}, has {used} bonds, at most {atom.valence()}")


def _has_double_oxygen(molecule, a):
    return any(k == 2 and a in pair and molecule.atoms[sum(pair) - a] == Atom("O") for pair, k in
               molecule.bonds.items())


def is_valid(text) -> bool:
    """Whether a line is a molecule."""
    try:
        parse(text)
    except ValueError:
        return False
    return True


def fingerprint(molecule) -> int:
    """A number that is the same however a molecule is written, and for different ones nearly always another.

    Weisfeiler & Leman 1968: each atom is its element, charge and hydrogens; then, some rounds over, what it is and what
    its neighbours are, by their bonds. The double bonds of a ring that may stand in two ways count as different.
    """
    neighbours = [[] for _ in molecule.atoms]
    for (a, b), order in molecule.bonds.items():
        neighbours[a].append((order, b))
        neighbours[b].append((order, a))
    colours = []
    for atom, used in zip(molecule.atoms, molecule.used()):
        hydrogens = atom.hydrogens if atom.hydrogens is not None else max(0, atom.valence() - used)
        colours.append(hash((PERIOD.index(atom.element), atom.charge, hydrogens)))
    for _ in range(ROUNDS):
        colours = [hash((colours[a], *sorted((order, colours[b]) for order, b in neighbours[a])))
                   for a in range(len(colours))]
    return hash(tuple(sorted(colours)))


def layout(molecule) -> np.ndarray:
    """Places of the atoms in the plane (A, 2), neighbours about 1 apart: distances as near as can be to d^0.8, d the
    number of bonds in between. (0.8, because two bonds at an angle of 120 degrees reach 2^0.8.) By the majorization of
    Gansner, Koren & North 2004, from four starts, as it is soon stuck."""
    A = len(molecule.atoms)
    D = np.where(np.eye(A, dtype=bool), 0.0, float(A))
    for a, b in molecule.bonds:
        D[a, b] = D[b, a] = 1
    for k in range(A):  # Floyd & Warshall
        D = np.minimum(D, D[:, k:k + 1] + D[k:k + 1])
    D **= 0.8
    weights = np.divide(1.0, D**2, out=np.zeros_like(D), where=D > 0)
    laplacian = np.linalg.pinv(np.diag(weights.sum(axis=1)) - weights)
    rng, drawn = np.random.default_rng(0), []
    for _ in range(4):
        x = rng.standard_normal((A, 2))
        for _ in range(100):
            apart = np.linalg.norm(x[:, None] - x, axis=2)
            ratio = -weights * np.divide(D, apart, out=np.zeros_like(D), where=apart > 1e-9)
            x = laplacian @ ((ratio - np.diag(ratio.sum(axis=1))) @ x)
        drawn.append(((weights * (np.linalg.norm(x[:, None] - x, axis=2) - D) ** 2).sum(), x))
    return min(drawn, key=lambda pair: pair[0])[1]
