"""The command line: parse, call one function of the pipeline, print. Results on stdout, progress on stderr."""

from __future__ import annotations

from autoseg.cli.app import main

__all__ = ["main"]
