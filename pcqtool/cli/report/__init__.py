"""``pcqtool report``: results as a page; tables and figures of the paper, for any corpus."""

from __future__ import annotations

from pcqtool.cli.common.program import Program
from pcqtool.cli.report.confusion import confusion
from pcqtool.cli.report.curves import curves
from pcqtool.cli.report.page import page
from pcqtool.cli.report.parameters import parameters
from pcqtool.cli.report.reliability import reliability
from pcqtool.cli.report.risk_coverage import risk_coverage
from pcqtool.cli.report.studies import ablations, depth
from pcqtool.cli.report.tsne import tsne

RESULTS = "Results of a run"
FIGURES = "Figures of finished runs"
STUDIES = "Tables and studies of the paper"

app = Program(help="Results as a page; tables and figures of runs and models.")

app.command(rich_help_panel=RESULTS, examples="pcqtool report page results.parquet --audio calls --out report.html")(
    page
)
app.command(rich_help_panel=FIGURES, examples="pcqtool report confusion evaluation/ --out confusion.svg")(confusion)
app.command(rich_help_panel=FIGURES, examples="pcqtool report reliability evaluation/ --out reliability.pdf")(
    reliability
)
app.command("risk-coverage", rich_help_panel=FIGURES, examples="pcqtool report risk-coverage runs/*")(risk_coverage)
app.command(rich_help_panel=FIGURES, examples="pcqtool report curves mine")(curves)
app.command(rich_help_panel=FIGURES, examples="pcqtool report tsne --corpus emodb --model mine")(tsne)
app.command(rich_help_panel=STUDIES, examples="pcqtool report parameters --model pcq-mini")(parameters)
app.command(rich_help_panel=STUDIES, examples="pcqtool report ablations --corpus emodb")(ablations)
app.command(rich_help_panel=STUDIES, examples="pcqtool report depth --corpus emodb")(depth)
