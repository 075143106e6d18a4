"""A model as a static folder: a page that reads faces in the browser, without any server.

The page is this project's own (`utils/models/web`); onnxruntime-web runs the network there. One
face is read in an oval that the person fits: no face finder is needed, and nobody else is read.
"""

import shutil
import tarfile
from pathlib import Path

import numpy as np

from utils.files import replacing_folder
from utils.models.export import Exported, ExportError, export_model

RUNTIME = "ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"
_PAGE = Path(__file__).with_name("web")


def export_page(
    model: str | Path, save: str | Path, runtime: str | Path | None, faces: np.ndarray
) -> Exported:
    """Write the folder; any web server that sends files can serve it.

    Args:
        model: a ``.keras`` file of this project.
        save: the folder, which must not exist.
        runtime: onnxruntime-web's npm package: the .tgz of ``npm pack onnxruntime-web``, or a
            folder.
        faces: see `export.export_model`, which checks the network.

    Raises:
        ExportError: no such package, the folder is there, or as `export_model` says.
    """
    save = Path(save)
    if save.exists():
        raise ExportError(f"{save} is there already. Name a new folder.")
    with replacing_folder(save) as folder:
        _unpack(runtime, folder)
        for file in _PAGE.iterdir():
            shutil.copyfile(file, folder / file.name)
        made = export_model(model, "onnx", folder / "model.onnx", faces)
    return Exported(**{**vars(made), "file": save, "card": save / made.card.name})


def _unpack(runtime, folder: Path) -> None:
    try:
        if runtime is not None and Path(runtime).is_dir():
            for name in RUNTIME:
                shutil.copyfile(Path(runtime, "dist", name), folder / name)
            return
        with tarfile.open(runtime or "nothing") as package:
            for name in RUNTIME:
                (folder / name).write_bytes(package.extractfile(f"package/dist/{name}").read())
    except (OSError, KeyError, tarfile.TarError) as error:
        raise ExportError(
            "A page needs onnxruntime-web: run `npm pack onnxruntime-web` and name its .tgz with "
            f"--runtime. Received: {runtime} ({error})."
        ) from error
