"""``pcqtool corpora``: list, describe, validate and download corpora."""

from __future__ import annotations

from pcqtool.cli.common.program import Program
from pcqtool.cli.corpora.fetch import fetch
from pcqtool.cli.corpora.info import info
from pcqtool.cli.corpora.list import list_corpora
from pcqtool.cli.corpora.validate import validate

app = Program(help="List, describe, validate and download corpora.")

app.command("list", examples="pcqtool corpora list")(list_corpora)
app.command(examples="pcqtool corpora info emodb --root emodb/")(info)
app.command(examples="pcqtool corpora validate emodb")(validate)
app.command(examples="pcqtool corpora fetch emodb")(fetch)
