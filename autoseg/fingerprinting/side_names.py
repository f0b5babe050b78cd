"""Which labels are called the left and the right one of something?

A name is of the left if exchanging a word of `SIDES` for its partner gives the name of another label: `kidney_left` and
`kidney_right`, `Left Kidney` and `Right Kidney`, `hippocampus_L` and `hippocampus_R`, `lh.thalamus` and `rh.thalamus`.
Case and the signs between words do not matter. A long word is found inside of others (`leftlung`, `linkerlong`), a
short one only where it stands alone (`lung_l`, `LungL`, never `lv` or the vertebra `L1`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

SIDES = (  # (left, right); stems, where the ending bends
    ("left", "right"),
    ("l", "r"),
    ("lt", "rt"),
    ("lh", "rh"),
    ("sinist", "dext"),  # sinister, sinistra, sinistrum
    ("sin", "dex"),
    ("link", "recht"),  # links, linke, linker
    ("gauche", "droite"),
    ("gauche", "droit"),
    ("izquierd", "derech"),  # izquierdo, izquierda
    ("sinist", "dest"),  # sinistro, sinistra and destro, destra
    ("esquerd", "direit"),  # esquerdo, esquerda
)
SHORT = 3  # letters; up to here a word must stand alone
WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+|[^\W\d_]+")  # `LungL` is two words, `L1` is one


def match_names(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs (left, right) among the names of labels, in the order of the left ones; each name is in one pair."""
    by_spelling = {_spell(name): name for name in names}
    pairs: list[tuple[str, str]] = []
    for name in names:
        taken = {paired for pair in pairs for paired in pair}
        partners = (by_spelling.get(spelling) for spelling in _exchange_sides(name))
        partner = next((other for other in partners if other is not None and other not in taken), None)
        if partner is not None and name not in taken:
            pairs.append((name, partner))
    return tuple(pairs)


def _spell(name: str) -> str:
    return " ".join(word.lower() for word in WORD.findall(name))


def _exchange_sides(name: str) -> Iterator[str]:
    """Spellings of what a left name's partner may be called."""
    words = _spell(name).split(" ")
    for left, right in SIDES:
        for position, word in enumerate(words):
            if word == left or (len(left) > SHORT and left in word):
                yield " ".join([*words[:position], word.replace(left, right, 1), *words[position + 1 :]])
