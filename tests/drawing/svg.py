"""How many points does a drawing have?"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree


def count_marks(svg: str) -> int:
    """Points of a drawing; it must be well-formed to be counted."""
    return sum(element.tag.endswith("}use") for element in ElementTree.fromstring(svg).iter())
