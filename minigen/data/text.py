"""Text as rows of tokens and back: by whole words, or by byte-pair encoding, in pieces of words that come often.

Sennrich, Haddow & Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016, algorithm 1: a word
is its letters and an end mark; again and again the two neighbours that stand beside each other most often become one
piece. So common words are one token in the end, and a word that was never seen is spelled out of pieces that were:

    "firefighter"  ->  "fire" "f" "igh" "ter "                 512 pieces of the names of emoji

The end mark is a space, so that pieces put together are the text. The names of a Space's tokens say which code is
meant: pieces are known by the name " " among them. They are the whole code: of the neighbours in a word that make a
known piece those are joined first that make the one that was learned first, until none are left (as in tiktoken, where
the rank of what is made decides; the paper keeps the list of pairs, and joins the same unless a piece can be made of
two pairs).

Token 0, "", is the rest of a shorter text. Symbols: N texts, T tokens. Read before this: space.py.
"""
import difflib
import math
from collections import Counter

import numpy as np

END = " "


def words_of(texts) -> tuple:
    """The names of the tokens of a code of whole words."""
    return ("", *sorted({word for text in texts for word in text.split()}))


def learn_pieces(texts, count, letters="") -> tuple:
    """The names of `count` tokens of a byte-pair code of these texts: "", their letters and the end, and what comes of
    joining. letters: others that are to be known. Of pairs that come equally often, the first by alphabet. ValueError
    if the letters alone are more, or if nothing is left to be joined."""
    words = Counter(word + END for text in texts for word in text.split())
    names = ["", *sorted(set(letters).union(END, *words))]
    if count < len(names):
        raise ValueError(f"learn_pieces: {count} tokens are fewer than the {len(names)} letters; ask for more")
    rank = {name: i for i, name in enumerate(names)}
    spelled = {word: list(word) for word in words}
    made, where = Counter(), {}  # what two neighbours would make -> how often; in which words
    for word in words:
        _count(word, spelled[word], words[word], made, where)
    while len(names) < count:
        best = min(made, key=lambda piece: (-made[piece], piece), default=None)
        if best is None or made[best] <= 0:
            raise ValueError(f"learn_pieces: {len(names)} tokens spell every word as one, {count} were asked for")
        rank[best] = len(names)
        names.append(best)
        for word in sorted(where[best]):  # only these are spelled otherwise now
            _count(word, spelled[word], -words[word], made, where)
            spelled[word] = _joined(spelled[word], rank)
            _count(word, spelled[word], words[word], made, where)
    return tuple(names)


def _count(word, pieces, times, made, where):
    for a, b in zip(pieces, pieces[1:]):
        made[a + b] += times
        where.setdefault(a + b, set()).add(word)


def _joined(pieces, rank):
    """The pieces, with neighbours joined as long as any make a known piece, the one that was learned first."""
    while True:
        best = min((rank.get(a + b, math.inf) for a, b in zip(pieces, pieces[1:])), default=math.inf)
        if best == math.inf:
            return pieces
        joined = []
        for piece in pieces:
            if joined and not joined[-1][1] and rank.get(joined[-1][0] + piece) == best:
                joined[-1] = (joined[-1][0] + piece, True)  # which joins no third in the same round
            else:
                joined.append((piece, False))
        pieces = [piece for piece, _ in joined]


def pieces_of(text, names) -> list:
    """The pieces of a byte-pair code, as texts. ValueError for a letter that it does not know."""
    rank = {name: i for i, name in enumerate(names)}
    found = []
    for word in text.split():
        unknown = next((letter for letter in word if letter not in rank), None)
        if unknown:
            raise ValueError(f"'{unknown}' in '{word[:40]}' is no letter of this code")
        found += _joined(list(word + END), rank)
    return found


def encode(texts, space) -> np.ndarray:
    """Texts as tokens, int64 (N, T), the rest of each row 0. ValueError for words or a letter that have no token, with
    those that are near, and for a text that is too long."""
    tokens = np.zeros((len(texts), *space.shape), np.int64)
    place = {name: i for i, name in enumerate(space.names)}
    for row, text in zip(tokens, texts):
        parts = pieces_of(text, space.names) if END in place else _words(text, space.names)
        if len(parts) > space.size:
            what = "tokens" if END in place else "words"
            raise ValueError(f"'{text[:60]}' has {len(parts)} {what}, the model reads {space.size}")
        row[:len(parts)] = [place[part] for part in parts]
    return tokens


def _words(text, names) -> list:
    """The words of a text as the tokens have them. ValueError that names all that are none."""
    words = [word for word in (_as_written(word, names) for word in text.split()) if word]
    unknown = [word for word in dict.fromkeys(words) if word not in names]
    if unknown:
        told = "; ".join(f"'{word[:40]}' is no word that the model knows{_near(word, names)}" for word in unknown)
        raise ValueError(f"{told} (it knows {' '.join(names[1:41])})")
    return words


def _as_written(word, names):
    """The word as it is, or without what a sentence adds to it."""
    return word if word in names else word.strip(".,;:!?\"'").lower()


def _near(word, names):
    near = [f"'{name}'" for name in difflib.get_close_matches(word, [name for name in names if name], n=3)]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def decode(tokens, space) -> list:
    """Tokens (N, T) as texts, whatever they say."""
    between = "" if END in space.names else " "
    return [between.join(space.names[token] for token in row if token).strip() for row in np.asarray(tokens)]
