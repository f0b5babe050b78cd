"""`export` and `install`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stderr, stdout
from autoseg.cli.options import AsJson, Configurations, Folds, Variant, WorkspaceFolder
from autoseg.sharing.limits import DEFAULT_GB, MOST_MEMBERS

Source = Annotated[
    Path,
    typer.Argument(
        metavar="WORKSPACE_OR_DATASET",
        help="The workspace that the models lie in, or its dataset.",
        show_default=False,
    ),
]
Target = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL.zip",
        help="The archive to write; with --onnx a new folder.",
        show_default=False,
    ),
]
Onnx = Annotated[
    bool,
    typer.Option(
        "--onnx",
        help="Write one ONNX graph per configuration and fold, and beside it everything around it as JSON. Each is "
        "compared with its network by onnxruntime. Needs pip install 'autoseg[onnx]'.",
    ),
]
Licence = Annotated[
    str, typer.Option("--licence", metavar="TEXT", help="Of the weights, e.g. CC-BY-4.0. [default: none is given]")
]
Author = Annotated[str, typer.Option("--author", metavar="TEXT", help="Who made the model, for its card.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="A sentence of yours, for its card.")]
Archive = Annotated[
    Path, typer.Argument(metavar="MODEL.zip", help="An archive that `autoseg export` wrote.", show_default=False)
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="WORKSPACE",
        help="Folder for the model. [default: autoseg_workspace/<dataset name>_installed]",
        show_default=False,
    ),
]
MaxSize = Annotated[
    float,
    typer.Option("--max-size", metavar="GB", min=0.0, help="GB that the archive may unpack to."),
]
MaxMembers = Annotated[int, typer.Option("--max-members", metavar="N", min=1, help="Files that it may hold.")]


def export(
    source: Source,
    target: Target,
    onnx: Onnx = False,
    licence: Licence = "",
    author: Author = "",
    note: Note = "",
    configuration: Configurations = None,
    fold: Folds = None,
    workspace: WorkspaceFolder = None,
    variant: Variant = None,
    as_json: AsJson = False,
) -> None:
    """Write the selected ensemble as one file to share, with a card; no image, path or case id goes along."""
    from autoseg.pipeline.preparing import parse_folds
    from autoseg.pipeline.sharing.exporting import Words, export_model
    from autoseg.pipeline.sharing.trained import find_trained

    reporter, words = TerminalReporter(), Words(licence, author, note)
    trained = find_trained(
        source,
        workspace=workspace,
        variant=variant,
        configurations=configuration or (),
        folds=parse_folds(fold or ()),
        reporter=reporter,
    )
    if onnx:
        from autoseg.pipeline.sharing.onnx_export import export_onnx

        graphs = export_onnx(trained, target, words, reporter=reporter)
        if as_json:
            print_json(graphs)
            return
        rows = [[one.file, one.opset, f"{one.parity.deviation:.2g}", f"{one.parity.bound:.2g}"] for one in graphs]
        print_table(["graph", "opset", "largest deviation of a logit", "allowed"], rows)
        stdout.print(str(target), markup=False, soft_wrap=True)
        return
    manifest = export_model(trained, target, words, reporter=reporter)
    if as_json:
        print_json({"path": target, "manifest": manifest})
        return
    print_table(["member", "bytes"], [[name, member.size] for name, member in manifest.members.items()])
    stdout.print(f"{target}: model {manifest.model}", markup=False, soft_wrap=True)


def install(
    archive: Archive,
    output: Folder = None,
    max_size: MaxSize = DEFAULT_GB,
    max_members: MaxMembers = MOST_MEMBERS,
    as_json: AsJson = False,
) -> None:
    """Make a workspace of an exported model that predict-ensemble predicts with. Every byte is checked before."""
    from autoseg.pipeline.sharing.exporting import phrase_prediction
    from autoseg.pipeline.sharing.installing import install_model
    from autoseg.sharing.limits import Limits

    installed = install_model(archive, output, limits=Limits(max_size, max_members))
    manifest, command = installed.manifest, phrase_prediction(installed.folder, installed.manifest.folds)
    if as_json:
        print_json({**vars(installed), "command": command})
        return
    for need in installed.needs:
        text = f"It needs {need} on PYTHONPATH: look at that code, it runs here."
        stderr.print(text, markup=False, soft_wrap=True)
    what = "already installed" if installed.was_there else "installed"
    lines = (
        f"{installed.folder}: {what}: model {manifest.model} of {manifest.name}.",
        f"Licence: {manifest.licence or 'none was given'}. See README.md there.",
        f"Predict with: {command}",
    )
    stdout.print("\n".join(lines), markup=False, soft_wrap=True)
