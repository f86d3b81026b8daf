"""Explain a clip that is made on the spot: no video, no download, no account.

python examples/explain_clip.py --num-iter 100
"""

import argparse

import videxplain as vx


def main() -> None:
    """Explain, say what was found, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-iter", type=int, default=400, help="at most; 10 show that it works")
    parser.add_argument("--output", default="explained.webp", help=".webp, .gif, .png or .jpg")
    given = parser.parse_args()

    classifier = vx.load_model("tiny_tsm")
    clips = classifier.preprocess(vx.shapes(num_clips=1))
    attribution = vx.explain(
        classifier, clips, method="step", perturb_area=0.1, num_iter=given.num_iter
    )

    target = classifier.class_names[int(attribution.target[0])]
    mask = attribution.values[0, 0, 0]  # t h w: one area, one clip, one channel
    print(f"{clips.names[0]}: {target}, {mask.mean():.2f} of the frames kept")
    vx.overlay(clips, attribution).save(given.output)
    print(given.output)


if __name__ == "__main__":
    main()
