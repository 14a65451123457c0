"""The picture in README is what the command draws today."""

from __future__ import annotations

from scripts.update_picture import PICTURE, drawn


def test_the_picture_of_the_readme_is_current() -> None:
    assert PICTURE.read_bytes() == drawn(), "run scripts/update_picture.py"
    assert PICTURE.read_bytes().startswith(b"<svg ")
