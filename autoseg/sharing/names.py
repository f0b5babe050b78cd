"""Which names may the members of an archive have?

An archive comes from a stranger: a name may point outside of the folder that it is unpacked into, hide behind the case
of its letters, or name a device. So a name is first refused for what it could do, and then for not being one of those
that a model consists of.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from zipfile import ZipInfo

MANIFEST = "MANIFEST.json"
CARD = "README.md"
DATASET, PLAN, SELECTION = "dataset.json", "plan.yaml", "selection.yaml"
FINGERPRINT, METRICS = "fingerprint.json", "metrics.json"
TEXTS = (CARD, DATASET, PLAN, SELECTION, FINGERPRINT, METRICS)
NEEDED = (CARD, DATASET, PLAN)  # without which nothing predicts, or nobody knows what it is
FOLDER_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
WEIGHTS = re.compile(rf"trained/(?P<configuration>{FOLDER_NAME})/fold_(?P<fold>\d+|all)/checkpoint\.safetensors")
DRIVE = re.compile(r"[A-Za-z]:")
DEVICE = re.compile(r"(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
UNIX_KIND = 16  # bits of a member's attributes above which its kind of file stands


def name_weights(configuration: str, fold: str) -> str:
    """The name of a fold's checkpoint, which is that in a workspace."""
    return f"trained/{configuration}/fold_{fold}/checkpoint.safetensors"


def is_weights(name: str) -> bool:
    """Whether a member is a fold's checkpoint."""
    return WEIGHTS.fullmatch(name) is not None


def find_bad_name(members: Sequence[ZipInfo]) -> str | None:
    """What is wrong with the names of an archive's members, in words; None if nothing is."""
    seen: set[str] = set()
    for member in members:
        problem = _find_danger(member) or _find_unexpected(member.orig_filename, seen)
        if problem:
            return f"its member {member.orig_filename!r} {problem}"
        seen.add(member.orig_filename.casefold())
    return None


def _find_danger(member: ZipInfo) -> str | None:
    name, kind = member.orig_filename, stat.S_IFMT(member.external_attr >> UNIX_KIND)
    parts = name.split("/")
    dangers = {
        "has a backslash in its name": "\\" in name,
        "has a control character in its name": any(not sign.isprintable() for sign in name),
        "names a drive": DRIVE.match(name) is not None,
        "has an absolute name": name.startswith("/"),
        "points outside of its folder": ".." in parts,
        "names a device": any(DEVICE.fullmatch(part) for part in parts),
        "is a link or another special file": kind not in (0, stat.S_IFREG),
    }
    return next((danger for danger, is_there in dangers.items() if is_there), None)


def _find_unexpected(name: str, seen: set[str]) -> str | None:
    if name.casefold() in seen:
        return "is there twice"
    if name == MANIFEST or name in TEXTS or is_weights(name):
        return None
    return "is nothing that a model consists of"
