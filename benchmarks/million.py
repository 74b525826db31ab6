"""Cost of a million files besides labelling: discovery, plan, check of finished recordings, merge.

    python benchmarks/million.py --folder /tmp/million --shards 16

First creates the directory entries (empty files) and the finished parts, untimed. Each step then runs in its own
process, which measures its time and peak memory.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa

from pcqtool.audio.discover import discover
from pcqtool.batch.merge import merge
from pcqtool.batch.names import FileSignature, Source, name_recordings, signature_of
from pcqtool.batch.output import RunOutput
from pcqtool.batch.plan import make_plan
from pcqtool.batch.shard import Shard
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.schema import events_schema, files_schema, segments_schema

LABELS = ("anger", "happiness", "neutral", "sadness")
PROVENANCE = Provenance(
    model="measured", model_sha256="0" * 64, labels=LABELS, fingerprint="0" * 16, aggregation="mean-log"
)
A_FOLDER = 1000


def make_entries(folder: Path, n: int) -> None:
    """Create ``n`` empty files."""
    for number in range(-(-n // A_FOLDER)):
        (folder / f"d{number:03d}").mkdir(parents=True, exist_ok=True)
        for file in range(min(A_FOLDER, n - number * A_FOLDER)):
            (folder / f"d{number:03d}" / f"call-{number:03d}-{file:04d}.wav").touch()


def store_of(out: Path, shard: Shard) -> RunOutput:
    """Open the output of a shard."""
    columns = {"files": files_schema(LABELS).names, "segments": segments_schema(LABELS).names}
    return RunOutput(out, PROVENANCE, columns, shard)  # type: ignore[arg-type]


def find(folder: Path, before: Mapping[str, FileSignature] | None = None) -> list[Source]:
    """Find and name the files."""
    found = discover([folder])
    return name_recordings(found.files, found.root, before or {})


def make_parts(folder: Path, out: Path, shards: int) -> None:
    """Write the parts of a finished run over all files."""
    sources = find(folder)
    for number in range(shards):
        shard = Shard(shards, number + 1)
        store = store_of(out, shard)
        store.note_inputs(sources)
        store.prepare()
        for part in make_plan([source for source in sources if shard.has(source.file)], {}).parts:
            signatures = [signature_of(source) for source in part]
            probability = np.full(len(part), 0.25)
            common = {"file": [source.file for source in part], "channel": ["0"] * len(part)}
            predicted = {"label": ["anger"] * len(part), "confidence": probability}
            predicted |= {f"prob_{label}": probability for label in LABELS}
            of_file = {
                "status": ["ok"] * len(part),
                "n_segments": np.ones(len(part)),
                "size_bytes": [signature.size_bytes for signature in signatures],
            }
            of_file |= {"mtime": [signature.mtime_us for signature in signatures]}
            of_segment = {
                "segment": np.zeros(len(part)),
                "padded": [False] * len(part),
                "start_s": np.zeros(len(part)),
                "end_s": probability,
            }
            with store.appending_segments(segments_schema(LABELS)) as rows:
                rows.append(_table(common | of_segment | predicted, segments_schema(LABELS)))
            of_event: dict[str, object] = {
                "event": np.zeros(len(part)),
                "start_s": np.zeros(len(part)),
                "end_s": probability,
            }
            events = _table({**common, **of_event}, events_schema(LABELS))
            store.write_part(_table(common | of_file | predicted, files_schema(LABELS)), events)
        store.finish()


def _table(columns: dict[str, object], schema: pa.Schema) -> pa.Table:
    n = len(columns["file"])  # type: ignore[arg-type]
    arrays = []
    for field in schema:
        plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        values = pa.array(columns[field.name]) if field.name in columns else pa.nulls(n, plain)
        arrays.append(values.cast(plain).cast(field.type))
    return pa.table(arrays, schema=schema)


def plan_step(folder: Path, out: Path, shards: int) -> None:
    """Find the files and plan a first run."""
    make_plan(find(folder), {})


def shard_step(folder: Path, out: Path, shards: int) -> None:
    """Find the files and plan a first run of one shard."""
    shard = Shard(shards, 1)
    make_plan([source for source in find(folder) if shard.has(source.file)], {})


def resume_step(folder: Path, out: Path, shards: int) -> None:
    """Find the files and check that all are done."""
    done: dict[str, FileSignature] = {}
    for number in range(shards):
        done |= store_of(out, Shard(shards, number + 1)).done()
    assert make_plan(find(folder, done), done).n_todo == 0  # noqa: S101


def merge_step(folder: Path, out: Path, shards: int) -> None:
    """Join all parts."""
    merge([out], out.with_name(f"{out.name}.parquet"))


def measure(step: Callable[[Path, Path, int], None], *arguments: object) -> None:
    """Run a step in its own process and print its time and memory."""
    context = get_context("spawn")
    process = context.Process(target=_measured, args=(step, *arguments))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"{step.__name__} failed")


def _measured(step: Callable[..., None], *arguments: object) -> None:
    started_s = time.monotonic()
    step(*arguments)
    took_s = time.monotonic() - started_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{step.__name__.removesuffix('_step'):8} {took_s:7.1f} s  {peak_mb:7.0f} MB", flush=True)


def main() -> None:
    """Prepare and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="folder of the files; created if missing")
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=16)
    arguments = parser.parse_args()
    out = arguments.folder.with_name(f"{arguments.folder.name}-out")
    if not arguments.folder.exists():
        make_entries(arguments.folder, arguments.files)
        shutil.rmtree(out, ignore_errors=True)  # results of other files
    if not out.exists():
        make_parts(arguments.folder, out, arguments.shards)
    for step in (plan_step, shard_step, resume_step, merge_step):
        measure(step, arguments.folder, out, arguments.shards)


if __name__ == "__main__":
    main()
