"""Committed reports are what the tool says today."""

from __future__ import annotations

import pytest

from reports.regenerate import arguments, made, main, reports


def test_the_main_report_is_there():
    """The comparison the project is about."""
    assert "alexnet_vs_squeezenet" in [report.stem for report in reports()]


@pytest.mark.parametrize("report", reports(), ids=lambda report: report.stem)
def test_reports_are_up_to_date(report):
    """The command on the first line gives the report to the letter; `make reports` writes it again."""
    assert made(report) == report.read_text(encoding="utf-8"), "run `make reports` and review what changed"


def test_a_report_without_its_command_is_refused():
    """A file that does not say how it was made cannot be kept up to date."""
    with pytest.raises(ValueError, match="the first line is '# Results'"):
        arguments("# Results\n")


def test_the_command_of_a_report_is_read():
    """Its words are those a shell would see."""
    assert arguments("`$ costmodel nets list 'a b'`\n\n# Results\n") == ["nets", "list", "a b"]


def test_an_outdated_report_is_seen_and_mended(tmp_path, capsys):
    """With --check the difference is printed and the exit code is 1; without it the file is written."""
    report = tmp_path / "report.md"
    command = "`$ costmodel analyze squeezenet --hw snapdragon --format md`"
    report.write_text(f"{command}\n\n# Old\n")

    assert main(["--check", str(report)]) == 1
    assert "-# Old" in capsys.readouterr().out
    assert main([str(report)]) == 0
    assert main(["--check", str(report)]) == 0
    assert report.read_text().startswith(f"{command}\n\n# squeezenet")


def test_a_report_whose_command_fails_is_not_written(tmp_path):
    """A command that is refused leaves the report as it was."""
    report = tmp_path / "report.md"
    report.write_text("`$ costmodel analyze squeeznet --hw snapdragon`\n")

    with pytest.raises(RuntimeError, match="exit code 2"):
        main([str(report)])
    assert report.read_text() == "`$ costmodel analyze squeeznet --hw snapdragon`\n"
