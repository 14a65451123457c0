"""The harness reads what the runner reads, or the hostile tests would prove nothing."""

import pytest

from e2e.runner import Command, evaluate, key_values, parse_command, read_lines


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("::error::bad", Command("error", {}, "bad")),
        (
            "\u3000 \t::error file=a%2Cb.c,line=1,col=::x::y%0Az%25",
            Command("error", {"file": "a,b.c", "line": "1"}, "x::y\nz%"),
        ),
        ("::ERROR::bad", Command("error", {}, "bad")),
        ("text ##[set-output name=verdict;]pass", Command("set-output", {"name": "verdict"}, "pass")),
        ("::nonsense ##[error]x", Command("error", {}, "x")),
        ("x::error::bad", None),
        ("::error:bad", None),
        (": :error::bad", None),
        ("## [error]bad", None),
        ("##[nonsense]x", None),
    ],
)
def test_commands(line: str, command: Command | None) -> None:
    assert parse_command(line) == command


def test_a_carriage_return_ends_a_line() -> None:
    assert read_lines("a\rb\r\nc\nd") == ["a", "b", "c", "d"]


def test_both_forms_of_an_environment_file() -> None:
    assert key_values("a=1=2\nb<<X\nc=3\n\nX\nd=\n") == {"a": "1=2", "b": "c=3\n", "d": ""}


def test_expressions() -> None:
    contexts = {"inputs": {"fail-on": "never"}, "steps": {"gate": {"outputs": {"verdict": "pass"}}}}
    text = "${{ inputs.fail-on }} ${{steps.gate.outputs.verdict}} ${{ steps.gate.outputs.floor }}."
    assert evaluate(text, contexts) == "never pass ."
    with pytest.raises(KeyError):
        evaluate("${{ secrets.TOKEN }}", contexts)
