"""Explain a video file for the class that the network sees in it.

python examples/own_video.py swing.mp4 --model r2plus1d    # fetches its weights once
"""

import argparse
from pathlib import Path

import videxplain as vx


def main() -> None:
    """Read the video, explain the prediction at two areas, draw each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path, help="a video file, or a folder with a picture a frame")
    parser.add_argument("--model", default="tiny_tsm", help="a name that `videxplain --help` lists")
    parser.add_argument("--weights", default="auto", help="auto, random, or the path of a file")
    parser.add_argument("--num-iter", type=int, default=400, help="at most; 10 show that it works")
    given = parser.parse_args()

    classifier = vx.load_model(given.model, weights=given.weights)
    clips = classifier.preprocess(vx.read_video(given.video))
    attribution = vx.explain(
        classifier,
        clips,
        method="step",
        target="predicted",
        perturb_area=[0.05, 0.1],
        num_iter=given.num_iter,
    )
    print(f"{given.video.name}: {classifier.class_names[int(attribution.target[0])]}")
    for index, area in enumerate(attribution.areas or ()):
        picture = given.video.with_name(f"{given.video.stem}-area{area}.webp")
        vx.overlay(clips, attribution, area=index).save(picture)
        print(picture)


if __name__ == "__main__":
    main()
