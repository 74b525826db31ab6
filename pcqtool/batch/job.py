"""A job: recordings and an output, planned, run under a lock and reported, whatever the task is."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, cast

from pcqtool.arguments import StrPath, as_list
from pcqtool.audio.limits import Limits
from pcqtool.audio.reader import ReaderOptions
from pcqtool.batch.names import FileSignature, Source, name_recordings, path_of
from pcqtool.batch.output import RunOutput
from pcqtool.batch.plan import Plan, make_plan
from pcqtool.batch.settings import BatchSettings
from pcqtool.batch.summary import Summary, TableState
from pcqtool.errors import PcqtoolError, SettingsError
from pcqtool.progress import OnProgress, Progress, ignore

if TYPE_CHECKING:
    from pcqtool.audio.discover import FoundFile
    from pcqtool.audio.turns import TurnTable
    from pcqtool.batch.profiling import Measure, Profiling
    from pcqtool.batch.task import BatchTask, ProfiledTask
    from pcqtool.model.profile_file import BatchProfile

_log = logging.getLogger(__name__)

Engine = Literal["local", "ray"]


@dataclass(frozen=True)
class RunOptions:
    """How a run treats earlier results, where it computes, and when it gives up.

    Attributes:
        restart: replace the results of earlier runs.
        retry_failed: process the recordings again that failed in earlier runs.
        max_failures: stop the run after more failures than this; None for never.
        engine: ``local``, or ``ray`` for the actors of a Ray cluster.
        workers: number of Ray actors; 0 for as many as suit the cluster.
        root: folder that names in the tables are relative to; None for the tables' own, or that of the inputs.
        moved: whether the recordings of an existing table are now below ``root``.
        since_s: skip recordings that have not changed since then, in seconds since 1970; None for no limit.

    Raises:
        SettingsError: if options contradict each other, or the root is not a directory.
    """

    restart: bool = False
    retry_failed: bool = False
    max_failures: int | None = None
    engine: Engine = "local"
    workers: int = 0
    root: StrPath | None = None
    moved: bool = False
    since_s: float | None = None

    def __post_init__(self) -> None:
        if self.root is not None and not Path(self.root).is_dir():
            raise SettingsError(f"--root {self.root} is not a directory")
        if self.moved and (self.root is None or self.restart):
            raise SettingsError("--moved needs --root, and cannot be combined with --restart")
        if self.engine not in ("local", "ray"):
            raise SettingsError(f"--engine must be local or ray, not {self.engine!r}")
        if self.max_failures is not None and self.max_failures < 0:
            raise SettingsError(f"max_failures must be 0 or more, not {self.max_failures}")
        if self.engine == "ray" and self.max_failures is not None:
            raise SettingsError("--max-failures works with --engine local only")
        if self.engine != "ray" and self.workers:
            raise SettingsError("--workers works with --engine ray only")


class ReadingOptions(TypedDict, total=False):
    """Options that concern the reading of recordings, as keyword arguments.

    Their meaning and defaults are those of ``ReaderOptions`` (``channels``, ``vad``, ``segment_s``, ``segments``,
    ``hop_s``), ``Limits`` (``max_duration_s``, ``max_channels``) and ``BatchSettings``.
    """

    channels: str | int
    vad: bool
    segment_s: float
    segments: str
    hop_s: float | None
    max_duration_s: float
    max_channels: int
    min_speech: float
    min_speech_s: float
    batch_size: int | None
    jobs: int
    timeout_s: float


class JobOptions(ReadingOptions, total=False):
    """Options of every job over recordings: those of reading, and those of ``RunOptions``."""

    restart: bool
    retry_failed: bool
    max_failures: int | None
    engine: Engine
    workers: int
    root: StrPath | None
    moved: bool
    since_s: float | None


Settings = TypeVar("Settings", bound=BatchSettings)


def split_options(options: Mapping[str, Any], settings: type[Settings]) -> tuple[Settings, RunOptions]:
    """Build the settings and the run's options from one flat set of keyword arguments.

    Raises:
        TypeError: if an option is unknown.
        SettingsError: if a value is not valid.
    """
    groups = {cls: {each.name for each in fields(cls)} for cls in (ReaderOptions, Limits, settings, RunOptions)}
    if unknown := options.keys() - set().union(*groups.values()):
        raise TypeError(f"unknown option {min(unknown)!r}")
    given: dict[type, dict[str, Any]] = {
        cls: {name: options[name] for name in names & options.keys()} for cls, names in groups.items()
    }
    reader_options, limits = ReaderOptions(**given[ReaderOptions]), Limits(**given[Limits])
    return settings(**given[settings], reader_options=reader_options, limits=limits), RunOptions(**given[RunOptions])


@dataclass(frozen=True)
class RunReport:
    """The outcome of a run, and the content of its output.

    Attributes:
        out: the file table, or the directory of parts.
        model: name of the model or feature source.
        summary: this run.
        state: the whole output.
        failed: recordings whose row is a failure and that are inputs of this run or still on disk, with the reason.
        license: the model's license in one line; empty if it is unknown.
    """

    out: Path
    model: str
    summary: Summary
    state: TableState
    failed: Mapping[str, str]
    license: str = ""


class StoppedError(PcqtoolError):
    """A run ended early because too many recordings failed; ``report`` counts what is finished and kept."""

    def __init__(self, report: RunReport, max_failures: int) -> None:
        super().__init__(
            f"stopped: {report.summary.n_unusable} inputs have failed or are empty, more than --max-failures "
            f"{max_failures}",
            "Finished rows are kept. See the column error, then run again; --retry-failed processes failed inputs "
            "once more.",
        )
        self.report, self.max_failures = report, max_failures

    def __reduce__(self) -> tuple[type[StoppedError], tuple[RunReport, int]]:
        return type(self), (self.report, self.max_failures)


@dataclass
class Job:
    """Recordings to be processed by a task into an output.

    Args:
        output: where the tables go.
        found: the recordings.
        root: the folder that contains them all.
        skipped: folders that cannot be read, with the reason.
        load: loads the task; called only if there is work.
        options: how the run treats earlier results.
        about: a line on the model, for the log.
        profiling: the choice of the profile; None for a task without profiles.
        license: the model's license in one line; empty if it is unknown.
        turns: who speaks when; a recording whose turns have changed is processed again. None without turns.
    """

    output: RunOutput
    found: Sequence[FoundFile]
    root: str
    skipped: Mapping[str, str]
    load: Callable[[], BatchTask]
    options: RunOptions
    about: str = ""
    profiling: Profiling | None = None
    license: str = ""
    turns: TurnTable | None = None
    sources: Sequence[Source] = field(init=False, default=())

    @cached_property
    def plan(self) -> Plan:
        """Name the recordings and divide those without a finished row into parts.

        Raises:
            SettingsError: if the root contradicts the output's.
            TableError: if the output holds another kind of result.
        """
        output, restart = self.output, self.options.restart
        if self.profiling is not None:
            self.profiling.find(output, restart)
        before = {} if restart else output.done(retry_failed=self.options.retry_failed)
        root = self._root()
        output.name_from(root)
        named = name_recordings(self.found, root, before, self.turns)
        self.sources = [source for source in named if self._is_wanted(source, before.get(source.file))]
        own = [source for source in self.sources if output.shard.has(source.file)]
        if not restart:
            output.check_restart({*before, *(source.file for source in own)})
        plan = make_plan(own, before)
        if before and not plan.n_done and not os.path.isdir(root):  # noqa: PTH112
            _log.warning(
                "%s names its recordings relative to %s, which does not exist; these recordings count as others. "
                "If all have moved, add --root, the folder that now contains them, and --moved.",
                output.out,
                root,
            )
        return plan

    def run(self, on_progress: OnProgress = ignore) -> RunReport:
        """Do the planned work under the output's lock.

        Raises:
            StoppedError: if more recordings failed than the options allow.
            LockedError: if another run is writing to the output.
            PcqtoolError: if the task cannot be loaded or the output not be written.
        """
        if self.about:
            _log.info(self.about)
        with self.output.locked():
            summary = self._run(on_progress)
            state = self.output.state()
        summary.failures |= self.skipped
        out, model = self.output.out, self.output.provenance.model
        report = RunReport(out, model, summary, state, self._standing(state), self.license)
        if summary.stopped:
            raise StoppedError(report, self.options.max_failures or 0)
        return report

    def _is_wanted(self, source: Source, before: FileSignature | None) -> bool:
        """Whether a recording has changed since the given time, or has a row of other turns or to try again."""
        since_s, mtime = self.options.since_s, source.mtime
        is_recent = since_s is None or mtime is None or mtime >= since_s
        return is_recent or (before is not None and (before.retry or before.turns != source.turns))

    def _root(self) -> str:
        """Choose the folder that names are relative to: the output's own, unless all recordings have moved."""
        noted = None if self.options.restart else self.output.root
        wanted = None if self.options.root is None else os.path.realpath(self.options.root)
        if noted is None or self.options.moved:
            return wanted or self.root
        if wanted is not None and wanted != noted:
            raise SettingsError(
                f"{self.output.out} names its recordings relative to {noted}, not to {wanted}",
                "Leave --root out; or, if all of its recordings have moved there, add --moved.",
            )
        return noted

    def _run(self, on_progress: OnProgress) -> Summary:
        plan, output = self.plan, self.output
        if self.options.restart:
            output.check_replaceable()
        if not plan.n_todo:
            self._begin()
            output.finish()
            return Summary(n_done_before=plan.n_done)
        n_done = 0

        def on_file(source: Source) -> None:
            nonlocal n_done
            n_done += 1
            on_progress(Progress(n_done, plan.n_todo, "files"))

        if self.options.engine == "ray":
            from pcqtool.batch.ray_engine import run_on_ray

            on_progress(Progress(0, plan.n_todo, "files"))
            return run_on_ray(plan, output, self.load, self.options.workers, on_file, self._begin, self._settle)
        from pcqtool.batch.prefetch import start_decoders
        from pcqtool.batch.run import run

        began_s = time.monotonic()
        task = self.load()
        start_decoders(task.settings)
        load_s = time.monotonic() - began_s
        if self.profiling is not None:
            profiled = cast("ProfiledTask", task)
            self._settle(lambda measure: measure(profiled, on_progress=on_progress))
            if output.profile is not None:
                profiled.use_profile(output.profile)
        _log.debug("%d decoding threads, batches of %d", task.settings.n_jobs, task.batch_size)
        self._begin()
        on_progress(Progress(0, plan.n_todo, "files"))
        summary = run(plan, output, task, on_file, self.options.max_failures)
        summary.load_s = load_s
        return summary

    def _settle(self, run: Callable[[Measure], BatchProfile]) -> None:
        """Measure the profile if the output has none, by running a function of the loaded task somewhere."""
        if self.profiling is not None:
            measure = self.profiling.measure_of(self.sources)
            self.profiling.settle(self.output, self.options.restart, lambda: run(measure))

    def _begin(self) -> None:
        """Note the run in the output; called only after the model has proved usable."""
        if self.options.restart:
            self.output.restart()
        self.output.note_inputs(self.sources)

    def _standing(self, state: TableState) -> dict[str, str]:
        """Return failed rows of recordings that are inputs of this run or still on disk."""
        given, root = {source.file for source in self.sources}, self.output.root or os.sep
        return {
            file: reason
            for file, reason in state.failed.items()
            if file in given or os.path.lexists(path_of(state.targets.get(file, file), root))
        }


def find_recordings(
    inputs: StrPath | Iterable[StrPath], listed: Iterable[str] | None = None
) -> tuple[Sequence[FoundFile], str, Mapping[str, str]]:
    """Find recordings in files, folders and patterns.

    Args:
        inputs: a path, or several.
        listed: paths of a list; None for no list.

    Returns:
        The recordings, the folder that contains them all, and unreadable folders with the reason.

    Raises:
        SettingsError: if an input does not exist, or there is none.
    """
    from pcqtool.audio.discover import discover

    given = as_list(inputs)
    if not given and listed is None:
        raise SettingsError("no inputs", "Name files or directories, or --files-from FILE.")
    skipped: dict[str, str] = {}
    found = discover(given, listed, skipped.__setitem__)
    return found.files, found.root, skipped
