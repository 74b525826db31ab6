"""``pcqtool report``: the paper's tables and figures for any corpus."""

from __future__ import annotations

from pcqtool.cli.common.program import Program
from pcqtool.cli.report.confusion import confusion
from pcqtool.cli.report.curves import curves
from pcqtool.cli.report.parameters import parameters
from pcqtool.cli.report.reliability import reliability
from pcqtool.cli.report.studies import ablations, depth
from pcqtool.cli.report.tsne import tsne

FIGURES = "Figures of finished runs"
STUDIES = "Tables and studies of the paper"

app = Program(help="Tables and figures of the paper, for any corpus.")

app.command(rich_help_panel=FIGURES)(confusion)
app.command(rich_help_panel=FIGURES)(reliability)
app.command(rich_help_panel=FIGURES)(curves)
app.command(rich_help_panel=FIGURES)(tsne)
app.command(rich_help_panel=STUDIES)(parameters)
app.command(rich_help_panel=STUDIES)(ablations)
app.command(rich_help_panel=STUDIES)(depth)
