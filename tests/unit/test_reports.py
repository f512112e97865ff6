"""The committed reports are what the tool says today, and their maker says when they are not."""

from __future__ import annotations

import pytest

from reports.regenerate import arguments, difference, made, main, printed, reports

COMMAND = "`$ costmodel analyze squeezenet:version=1.1 --hw snapdragon --format md`\n"


@pytest.fixture
def report(tmp_path):
    """Return a report that holds its command alone."""
    file = tmp_path / "squeezenet.md"
    file.write_text(COMMAND, encoding="utf-8")
    return file


def test_the_main_reports_are_there():
    """The comparison the project is about, the way from one to the other, one network in full, where small networks win."""
    names = [
        "alexnet_vs_squeezenet", "codesign_resident", "codesign_squeezenet", "from_alexnet_to_squeezenet",
        "squeezenet_on_snapdragon", "why_small_networks",
    ]  # fmt: skip
    assert [report.stem for report in reports()] == names


@pytest.mark.parametrize("report", reports(), ids=lambda report: report.stem)
def test_committed_reports_are_up_to_date(report):
    """The command on the first line gives the file to the letter; `python reports/regenerate.py` writes it again."""
    assert "".join(difference(report, made(report))) == ""


def test_a_report_begins_with_the_command_that_makes_it(report):
    """What is made keeps its first line, so that it can be made again."""
    assert COMMAND.strip() == made(report).partition("\n")[0]


def test_a_new_report_is_written(report, capsys):
    """A file with its command alone becomes the report; a second time nothing changes."""
    assert main([str(report)]) == 0
    text = report.read_text(encoding="utf-8")
    assert main([str(report)]) == 0

    assert "# squeezenet-1.1 on snapdragon" in text
    assert text == report.read_text(encoding="utf-8")
    assert capsys.readouterr().err == "squeezenet.md: changed\nsqueezenet.md: unchanged\n"


def test_a_check_shows_the_difference_and_writes_nothing(report, capsys):
    """An outdated report fails the check."""
    main([str(report)])
    outdated = report.read_text(encoding="utf-8").replace("349.2 M", "350.0 M")
    report.write_text(outdated, encoding="utf-8")

    assert main(["--check", str(report)]) == 1
    shown = capsys.readouterr().out

    assert outdated == report.read_text(encoding="utf-8")
    assert shown.splitlines()[0] == "--- squeezenet.md (committed)"
    assert any(line.startswith("-") and "350.0 M" in line for line in shown.splitlines())
    assert any(line.startswith("+") and "349.2 M" in line for line in shown.splitlines())


def test_a_check_of_what_is_up_to_date_says_nothing(report, capsys):
    """A report that agrees passes the check without a word on stdout."""
    main([str(report)])

    assert main(["--check", str(report)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("first", ["# Results", "$ costmodel nets list", "`$ rm -r reports`", ""])
def test_a_report_without_its_command_is_refused(first):
    """Nothing but costmodel is run, and the message says what the line must be."""
    with pytest.raises(ValueError, match=r"r\.md: the first line is .*write `\$ costmodel"):
        arguments(first, "r.md")


def test_arguments_are_those_a_shell_would_see():
    """Quoted arguments stay together."""
    assert arguments("`$ costmodel analyze 'my net.py' --hw x`\n\n# Results\n") == [
        "analyze",
        "my net.py",
        "--hw",
        "x",
    ]


def test_a_failing_command_is_an_error(capsys):
    """A report is never replaced by the output of a command that failed."""
    with pytest.raises(RuntimeError, match="costmodel analyze gone --hw snapdragon: exit code 2"):
        printed(["analyze", "gone", "--hw", "snapdragon"])

    assert "gone" in capsys.readouterr().err
