"""What may a dataset.json hold? nnU-Net's file as `declarations` and `nnunet_layout` read it, as a JSON Schema.

Keys that autoseg has no use for (`description`, `licence`, ...) are allowed, for people keep them.
"""

from __future__ import annotations

from typing import Any

_CHANNELS = {
    "oneOf": [
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": "^[0-9]+$"},
            "additionalProperties": {"type": ["string", "number"]},
        },
        {"type": "array", "minItems": 1, "items": {"type": ["string", "number"]}},
    ]
}
_NUMBER = {"oneOf": [{"type": "integer"}, {"type": "string", "pattern": "^\\s*-?[0-9]+\\s*$"}]}
_WITHOUT_REGIONS = {"additionalProperties": {"not": {"type": "array", "minItems": 2}}}

DATASET_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "dataset.json",
    "description": "A dataset in nnU-Net's layout, as autoseg reads it.",
    "type": "object",
    "properties": {
        "channel_names": {
            "description": "Names of the channels by their number, from 0 without gaps; CT is normalised as CT.",
            "examples": [{"0": "CT"}, {"0": "T1", "1": "T2"}],
            **_CHANNELS,
        },
        "modality": {"description": "An older name of channel_names.", **_CHANNELS},
        "labels": {
            "description": "Number of each label by its name, background 0 among them, or the name by the number. A "
            "label called ignore marks voxels that are not annotated. A list of numbers is a region, a union of "
            "labels that may overlap others; then all entries but background and ignore are learned as regions, and "
            "regions_class_order is needed.",
            "examples": [
                {"background": 0, "liver": 1, "tumour": 2},
                {"background": 0, "whole_tumour": [1, 2, 3], "tumour_core": [2, 3], "enhancing_tumour": 3, "ignore": 4},
            ],
            "type": "object",
            "minProperties": 2,
            "oneOf": [
                {"additionalProperties": {"anyOf": [_NUMBER, {"type": "array", "minItems": 1, "items": _NUMBER}]}},
                {
                    "propertyNames": {"pattern": "^\\s*-?[0-9]+\\s*$"},
                    "additionalProperties": {"type": "string", "not": {"pattern": "^\\s*-?[0-9]+\\s*$"}},
                },
            ],
        },
        "regions_class_order": {
            "description": "The number that each region paints in a segmentation, in the order of labels, without "
            "background and ignore: one of its own. Regions are painted in that order, later ones on top.",
            "type": "array",
            "minItems": 1,
            "items": {"type": "integer"},
            "examples": [[1, 2, 3]],
        },
        "annotated_labels": {
            "description": "Cases that are annotated for some labels or regions only, each with their names; a case "
            "that is not listed annotates all. The others are neither learned from nor scored in that case.",
            "type": "object",
            "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "examples": [{"case_01": ["liver"], "case_02": ["liver", "spleen"]}],
        },
        "file_ending": {
            "description": "Ending of the files, with its dot; what the files themselves have goes first.",
            "type": "string",
            "examples": [".nii.gz", ".png", ".tif"],
        },
        "numTraining": {"description": "Number of annotated cases, to notice missing ones.", **_NUMBER},
        "dataset": {
            "description": "Files of each case by its id, where their names do not tell; paths are relative to "
            "the folder of this file, or absolute.",
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "images": {"type": "array", "minItems": 1, "items": {"type": "string"}},
                    "label": {"type": "string"},
                },
                "required": ["images", "label"],
            },
        },
    },
    "required": ["labels"],
    "allOf": [
        {"anyOf": [{"required": ["channel_names"]}, {"required": ["modality"]}]},
        {"anyOf": [{"properties": {"labels": _WITHOUT_REGIONS}}, {"required": ["regions_class_order"]}]},
    ],
}
