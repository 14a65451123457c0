from glibc_guard.github.summary import MAXIMUM, render
from unit.github.reports import artifact, finding, report


def test_a_report_and_what_stands_before_it() -> None:
    small = report(artifact(finding()))
    alone = render(small, taken=0)
    assert b"pow" in alone
    assert alone.endswith(b"\n")
    assert render(small, taken=7) == b"\n" + alone


def test_bytes_are_counted_not_characters() -> None:
    many = report(artifact(*(finding(f"\u6f22{number}" * 200, item=f"{number}.so") for number in range(3000))))
    for taken in (0, 1, 500_000, MAXIMUM - 1000):
        text = render(many, taken=taken)
        assert 0 < len(text) <= MAXIMUM - taken
        assert "cut" in text.decode()


def test_no_room() -> None:
    assert render(report(artifact(finding())), taken=MAXIMUM - 10) == b""
