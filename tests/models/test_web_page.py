import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from utils.models import web_page
from utils.models.export import ExportError
from utils.models.model_file import save_model
from utils.models.web_page import RUNTIME, export_page

FACES = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 1)).astype(np.uint8)


@pytest.fixture
def package(tmp_path):
    """A package with the files that are needed, and nothing in them."""
    file = tmp_path / "onnxruntime-web.tgz"
    with tarfile.open(file, "w:gz") as made:
        for name in RUNTIME:
            made.addfile(tarfile.TarInfo(f"package/dist/{name}"), io.BytesIO())
    return file


def test_folder_holds_all_that_the_page_loads(tmp_path, package, small_network, preprocessing):
    pytest.importorskip("tf2onnx", reason="requirements-export.txt is not installed")
    model = save_model(small_network, preprocessing, tmp_path / "model.keras", False)
    made = export_page(model, tmp_path / "page", package, FACES)
    there = {file.name for file in made.file.iterdir()}
    page = "".join((made.file / name).read_text() for name in ("index.html", "page.js"))
    assert set(re.findall(r'"(?:\./)?([\w.-]+\.(?:js|mjs|css|onnx|json))"', page)) <= there
    assert set(RUNTIME) <= there and made.card.is_file()
    with pytest.raises(ExportError, match="there already"):
        export_page(model, tmp_path / "page", package, FACES)


@pytest.mark.parametrize("runtime", [None, "none.tgz", "."])
def test_missing_package_is_told_and_nothing_is_left(tmp_path, runtime):
    with pytest.raises(ExportError, match="npm pack onnxruntime-web"):
        export_page(tmp_path / "model.keras", tmp_path / "page", runtime, FACES)
    assert list(tmp_path.iterdir()) == []


def test_page_may_load_nothing_from_elsewhere():
    files = Path(web_page.__file__).with_name("web")
    policy = re.search(r'Policy" content="([^"]*)"', (files / "index.html").read_text()).group(1)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert {rules["connect-src"], rules["style-src"]} == {"'self'"}
    assert not any("://" in file.read_text() for file in files.iterdir())
