"""Committed reports are what the tool says today."""

from __future__ import annotations

import pytest

from tests.architecture.reports import command, regenerated, reports


def test_the_main_report_is_there():
    """The comparison the project is about."""
    assert "alexnet_vs_squeezenet" in [report.stem for report in reports()]


@pytest.mark.parametrize("report", reports(), ids=lambda report: report.stem)
def test_reports_are_up_to_date(report):
    """The command on the first line gives the report to the letter; `make reports` writes it again."""
    assert regenerated(report) == report.read_text(encoding="utf-8"), (
        "run `make reports` and review what changed"
    )


def test_a_report_without_its_command_is_refused(tmp_path):
    """A file that does not say how it was made cannot be kept up to date."""
    report = tmp_path / "report.md"
    report.write_text("# Results\n")

    with pytest.raises(ValueError, match="first line is not"):
        command(report)


def test_the_command_of_a_report_is_read(tmp_path):
    """Its words are those a shell would see."""
    report = tmp_path / "report.md"
    report.write_text("`$ costmodel analyze 'my net.py' --hw snapdragon`\n\n# Results\n")

    assert command(report) == ["costmodel", "analyze", "my net.py", "--hw", "snapdragon"]
