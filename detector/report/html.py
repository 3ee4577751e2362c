"""A report as one page of HTML: plain, complete, and safe to open.

Names in a report come from hostile files, so every text is escaped, and the page forbids itself to load or run
anything.
"""

from __future__ import annotations

from html import escape

from detector.report.report import Report, finding_lines, report_text
from detector.report.verdict import judgement

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
pre {{ white-space: pre-wrap }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{probability} is the probability that this model is poisoned.</p>
<h2>Findings</h2>
<ul>
{findings}
</ul>
<h2>The whole report</h2>
<pre>{text}</pre>
</body>
</html>
"""


def report_html(report: Report) -> str:
    """A self-contained page: the verdict first, then the findings, then all that the text report says."""
    name = report.model.file if report.model else "no model"
    return _PAGE.format(
        title=escape(f"{name}: {judgement(report)}"),
        probability=f"{report.probability:.3f}",
        findings="\n".join(f"<li>{escape(line)}</li>" for line in finding_lines(report.findings)),
        text=escape(report_text(report)),
    )
