"""transcribe.py: what is said in any sound file (m4a, mp3, wav, flac, ogg, mp4, …), told as it comes.

Prints each segment with its time; --output writes its name with _transcript.json, .srt, .vtt and .txt to a folder.
The parameters are those of STEP4B, with the same file, variables and defaults.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from workflow_scripts.common.artifacts.transcripts import Spoken
from workflow_scripts.common.devices import DEVICES, Rung, choose_device, grant_gpu, ladder, restrict_to
from workflow_scripts.common.errors import (
    CancelledError,
    DeviceFault,
    PreconditionError,
    RefusedError,
    UsageError,
    WorkflowError,
)
from workflow_scripts.common.events import EventFile, printable
from workflow_scripts.common.ffmpeg import decode_pcm
from workflow_scripts.common.gpu_lock import hold_gpu
from workflow_scripts.common.gpu_name import gpu_in_use
from workflow_scripts.common.media import open_media
from workflow_scripts.common.paths import config_folder
from workflow_scripts.common.settings import Settings, add_options, load_dotenv, resolve
from workflow_scripts.common.subtitles import cues_of
from workflow_scripts.step4.engine import SAMPLE_RATE
from workflow_scripts.step4.engines import use_threads
from workflow_scripts.step4.run_transcription import RunTranscription, start_line
from workflow_scripts.step4.sound import FileSound, record
from workflow_scripts.step4.transcription_engine import Recognizer, engine_loader, model_name
from workflow_scripts.step4.transcription_files import SUFFIXES, write_all
from workflow_scripts.step4.transcription_parameters import PARAMETERS, layout, recognition
from workflow_scripts.step4.transcription_recognised import Recognised

_GONE_ON = "WORKFLOW_TRANSCRIBE_GONE_ON"
_EXIT_CODES = "exit status: 0 done; 1 a file failed; 2 wrong option; 3 something needed is missing; 130 cancelled"


@dataclass
class Teller:
    """Says what comes: lines for people on standard output, or one JSON object per line for programs.

    The objects go to the file that `WORKFLOW_EVENTS` names too. What was told before an attempt failed is not told
    again by the next.
    """

    as_json: bool
    events: EventFile = field(default_factory=lambda: EventFile(RunTranscription.key))
    until: float = 0.0

    def begin(self, path: Path, duration: float) -> None:
        """A file of so many seconds is begun, or gone on with in another process."""
        self._say(f"{path.name} ({duration:.1f} s)", event="file", file=path.name, duration=duration)

    def segment(self, one: Spoken) -> None:
        """A segment has come."""
        if one.start >= self.until:
            self.until = one.end
            minutes, seconds = divmod(one.start, 60)
            self._say(f"[{int(minutes):02d}:{seconds:05.2f}] {one.text}", event="segment", **asdict(one))

    def progress(self, seconds: float) -> None:
        """So much of the sound is done."""
        self._say("", event="progress", seconds=round(seconds, 2))

    def end(self, found: Recognised, engine: Mapping[str, str], written: list[Path]) -> None:
        """The file is done, by an engine on a device."""
        transcript = found.transcript
        language = f"language {transcript.language or 'unknown'} ({transcript.language_probability:.0%})"
        self.until = 0.0
        text = f"{len(transcript.words)} words, {language}"
        facts = {"language": transcript.language, "language_probability": transcript.language_probability}
        files = [str(path) for path in written]
        self._say(
            "\n".join([text, *files]),
            event="finished",
            words=len(transcript.words),
            model=transcript.model,
            **facts,
            **engine,
            files=files,
            dropped=dict(found.dropped),
        )

    def failed(self, error: WorkflowError) -> int:
        """A file, or all of it, cannot be done; the exit status that says so."""
        self.until = 0.0
        print(printable(str(error)), file=sys.stderr)
        self.events.emit("failed", message=str(error))
        return error.exit_code

    def _say(self, text: str, /, event: str, **fields: Any) -> None:
        if self.as_json:
            print(json.dumps({"event": event, **fields}), flush=True)
        elif text:
            print("\n".join(map(printable, text.split("\n"))), flush=True)
        self.events.emit(event, **fields)


@dataclass(frozen=True)
class GoneOn:
    """What the process knows that goes on where a GPU failed: a CUDA context that has failed cannot be trusted.

    Args:
        done: how many files are dealt with.
        code: the exit status so far.
        until: the second until which the next file's segments have been told.
    """

    done: int = 0
    code: int = 0
    until: float = 0.0

    @classmethod
    def told(cls) -> GoneOn | None:
        """What this process was told; None where it is the first."""
        text = os.environ.pop(_GONE_ON, None)
        return None if text is None else cls(**json.loads(text))

    def go(self) -> NoReturn:
        """Become a process of the same command line that has never seen the GPU."""
        sys.stdout.flush()
        os.environ[_GONE_ON] = json.dumps(asdict(self))
        os.execv(sys.executable, [sys.executable, __file__, *sys.argv[1:]])


class _GpuFailed(Exception):
    """Raised when the rest is to be done on the CPU, by a fresh process."""


class _Warnings(logging.Handler):
    """Tells warnings as events too."""

    def __init__(self, events: EventFile) -> None:
        super().__init__(logging.WARNING)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one."""
        self._events.emit("warning", text=record.getMessage())


def main() -> int:
    """Transcribe the files that the command line names and return the exit code."""
    signal.signal(signal.SIGTERM, _cancel)
    load_dotenv()
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    teller = Teller(arguments.json_lines)
    logging.getLogger().addHandler(_Warnings(teller.events))
    try:
        return _all(arguments, teller)
    except (CancelledError, KeyboardInterrupt):
        print("Cancelled.", file=sys.stderr)
        return CancelledError.exit_code
    except WorkflowError as error:
        return teller.failed(error)


def _all(arguments: argparse.Namespace, teller: Teller) -> int:
    """What the command line asks for, on the GPU that the policy grants, if any."""
    step = RunTranscription()
    names = [path.stem for path in arguments.files]
    if arguments.output is not None and len(set(names)) < len(names):
        raise UsageError("Two files have the same name but for its ending.", hint="Transcribe them one by one.")
    given = {p.name: getattr(arguments, p.name) for p in PARAMETERS}
    params = resolve(PARAMETERS, arguments.config or config_folder() / step.config, given)
    grant = grant_gpu()
    restrict_to(grant)
    step.check(params)
    gone_on = GoneOn.told()
    device, warning = choose_device(step.device(params, "cpu" if gone_on else arguments.device), grant)
    if warning:
        logging.getLogger().warning(warning)
    work = _Work(params, device, teller)
    if device != "cuda":
        return _each(work, arguments.files, arguments.output, gone_on or GoneOn())
    with hold_gpu(gpu_in_use(), "transcribe.py", on_wait=logging.getLogger().warning):
        return _each(work, arguments.files, arguments.output, GoneOn())


def _each(work: _Work, files: Sequence[Path], output: Path | None, before: GoneOn) -> int:
    """Every file that is not done; one that fails does not stop the others."""
    code, work.teller.until = before.code, before.until
    for done, path in enumerate(files[before.done :], before.done):
        try:
            work.one(path, output)
        except (CancelledError, PreconditionError):
            raise
        except _GpuFailed:
            GoneOn(done, code, work.teller.until).go()
        except WorkflowError as error:
            code = work.teller.failed(error)
        except OSError as error:
            code = work.teller.failed(WorkflowError(f"{error.filename or path}: {error.strerror or error}."))
    return code


@dataclass
class _Work:
    """Transcribes one file after the other with one engine, down the ladder where a GPU fails."""

    params: Settings
    device: str
    teller: Teller
    _engine: tuple[str, Recognizer] | None = None

    def one(self, path: Path, folder: Path | None) -> None:
        """Transcribe a file, and write what is said into a folder where one is given."""
        check_sound(path)
        if folder is not None:
            check_folder(folder, path.stem)
        with record(decode_pcm(path, SAMPLE_RATE), Path(tempfile.gettempdir())) as sound:
            if not len(sound):
                raise RefusedError(f"{path.name}: nothing of its sound can be decoded.")
            self.teller.begin(path, len(sound) / SAMPLE_RATE)
            found = self._down_the_ladder(sound)
            assert self._engine is not None, "it was made for the attempt"
            engine = {"device": self._engine[0], "compute_type": self._engine[1].compute_type}
        self.teller.end(found, engine, _write(path, found, self.params, folder) if folder is not None else [])

    def _down_the_ladder(self, sound: FileSound) -> Recognised:
        rungs = list(ladder(self.device, RunTranscription().batch_size(self.params, self.device)))
        while True:
            rung = rungs.pop(0)
            try:
                return self._attempt(sound, rung)
            except DeviceFault as fault:
                if not rungs:
                    raise
                rungs = rungs if fault.out_of_memory else rungs[-1:]
                logging.getLogger().warning("%s; going on with %s", fault.message, rungs[0])
                if rungs[0].fresh_process:
                    raise _GpuFailed from fault

    def _attempt(self, sound: FileSound, rung: Rung) -> Recognised:
        from workflow_scripts.step4.transcription_sound import transcribe  # heavy

        return transcribe(
            sound,
            self._on(rung.device),
            recognition(self.params),
            model=model_name(self.params),
            batch_size=rung.batch_size,
            progress=self.teller.progress,
            tell=self.teller.segment,
        )

    def _on(self, device: str) -> Recognizer:
        if self._engine is None or self._engine[0] != device:
            self._engine = None
            use_threads(self.params.threads)
            self._engine = (device, engine_loader(self.params)(device))
            logging.getLogger().info(start_line(self.params, device, self._engine[1]))
        return self._engine[1]


def check_sound(path: Path) -> None:
    """Make sure that a file can be opened and has sound, before anything is loaded.

    Raises:
        RefusedError: it is no such file; the sentence says why.
    """
    if not path.is_file():
        raise RefusedError(f"{path}: {'is a folder' if path.is_dir() else 'there is no such file'}.")
    try:
        with open_media(path) as container:
            silent = not container.streams.audio
    except RefusedError as error:
        if error.__cause__ is None:
            raise
        reason = "cannot be read: it is damaged, cut off, or neither sound nor video."
        raise RefusedError(f"{path.name}: {reason}") from error
    if silent:
        raise RefusedError(f"{path.name}: has no sound.")


def check_folder(folder: Path, stem: str) -> None:
    """Make a folder, and make sure that a transcript of this name can be written there, before it is recognised.

    Raises:
        WorkflowError: it cannot.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for suffix in SUFFIXES.values():
            with contextlib.suppress(FileNotFoundError):
                (folder / f"{stem}{suffix}").stat()  # says where a name is too long
        with tempfile.TemporaryFile(dir=folder):
            pass


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkflowError(f"{folder}: the transcript cannot be written there ({error.strerror}).") from error


def _write(path: Path, found: Recognised, params: Settings, folder: Path) -> list[Path]:
    look = layout(params, None)
    cues = cues_of(found.transcript.words, look, found.transcript.duration)
    files = {role: f"{path.stem}{suffix}" for role, suffix in SUFFIXES.items()}
    # All or none: a file of an earlier transcript beside those of this one would be taken for its.
    with _writing(folder), tempfile.TemporaryDirectory(prefix=".tmp-", dir=folder) as temporary:
        written = {role: Path(temporary) / name for role, name in files.items()}
        write_all(written, found.transcript, cues, {"filename": path.name})
        return [one.replace(folder / one.name) for one in written.values()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="transcribe.py",
        description=__doc__,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="sound or video file")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="write the transcript there")
    parser.add_argument("--json-lines", action="store_true", help="one JSON object per line, for programs")
    parser.add_argument("--config", type=Path, help="parameter file (default: config/step4b_transcription.json)")
    parser.add_argument("--device", choices=DEVICES, help="where to compute (default: as the parameters say)")
    add_options(parser, PARAMETERS)
    return parser


def _cancel(_signal: int, _frame: FrameType | None) -> None:
    raise CancelledError("stopped by SIGTERM")


if __name__ == "__main__":
    sys.exit(main())
