import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "scripts" / "action" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pip_keeps_the_way_to_the_index_and_nothing_that_changes_the_outcome(bootstrap: ModuleType) -> None:
    given = {
        "PIP_INDEX_URL": "https://mirror",
        "PIP_TARGET": "/x",
        "PIP_USER": "1",
        "PIP_CONSTRAINT": "c.txt",
        "HOME": "/h",
    }
    assert bootstrap.pip_environment(given) == {
        "PIP_INDEX_URL": "https://mirror",
        "HOME": "/h",
        "PIP_DRY_RUN": "0",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_USER": "0",
    }


def test_another_lock_file_gets_another_folder(bootstrap: ModuleType, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("a==1")
    first = bootstrap.dependencies_folder(lock, tmp_path)
    assert bootstrap.dependencies_folder(lock, tmp_path) == first
    assert first.parent == tmp_path / "glibc-guard"
    lock.write_text("a==2")
    assert bootstrap.dependencies_folder(lock, tmp_path) != first


def test_an_installation_that_fails_leaves_no_folder(
    bootstrap: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert importlib.util.find_spec("pip"), f"{sys.executable} has no pip"
    lock = tmp_path / "lock.txt"
    lock.write_text("./no-such-thing.whl\n")
    folder = bootstrap.dependencies_folder(lock, tmp_path)
    with pytest.raises(bootstrap.SetupError, match="pip could not install"):
        bootstrap.install(lock, folder)
    assert not folder.exists()
    assert "pip: ERROR" in capsys.readouterr().out
