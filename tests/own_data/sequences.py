"""Recordings and readings of sensors that a formula makes: a label for each kind of tone."""

import csv
from pathlib import Path

import numpy as np
import soundfile

RATE = 8_000
TONES = {"low": 300, "high": 900}


SUFFIXES = (".flac", ".wav", ".ogg")


def sounds(folder: Path, count: int) -> Path:
    """Write `count` recordings of each label, a quarter to half a second of a tone in noise.

    Their formats take turns.
    """
    random = np.random.default_rng(0)
    for label, tone in TONES.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            time = np.arange(random.integers(RATE // 4, RATE // 2)) / RATE
            samples = 0.3 * np.sin(2 * np.pi * tone * time * random.uniform(0.9, 1.1))
            noisy = samples + random.normal(scale=0.05, size=len(time))
            suffix = SUFFIXES[number % len(SUFFIXES)]
            soundfile.write(folder / label / f"{number:03d}{suffix}", noisy, RATE)
    return folder


def gestures(path: Path, count: int, seed: int = 0) -> Path:
    """Write `count` recordings of two numbers: those of a circle go around, those of a line not.

    They have 10 to 20 steps each. Person p makes every fifth of them.
    """
    random = np.random.default_rng(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["recording", "person", "time", "ax", "ay", "gesture"])
        for number in range(count):
            gesture = ("circle", "line")[number % 2]
            angle = random.uniform(0, 2 * np.pi) + 0.5 * np.arange(random.integers(10, 21))
            x, y = np.cos(angle), np.sin(angle) if gesture == "circle" else np.cos(angle)
            noise = random.normal(scale=0.1, size=(2, len(angle)))
            for step, (ax, ay) in enumerate(zip(x + noise[0], y + noise[1], strict=True)):
                row = [f"r{number}", f"p{number % 5}", step, f"{ax:.4f}", f"{ay:.4f}", gesture]
                writer.writerow(row)
    return path
