"""Draw methods one below the other: a strip of frames, or an animation.

python examples/draw_figure.py --output methods.png

From results on disk, and as PDF, `videxplain-figure` draws.
"""

import argparse

import videxplain as vx
from videxplain import figures
from videxplain.panels import Figure

METHODS = ("grad_x_input", "grad_cam", "step")


def main() -> None:
    """Explain a clip by each method, and put their heat maps below its frames."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-iter", type=int, default=400, help="at most; 10 show that it works")
    parser.add_argument("--output", default="methods.png", help=".png, .jpg, .webp or .gif")
    given = parser.parse_args()

    classifier = vx.load_model("tiny_tsm")
    clips = classifier.preprocess(vx.shapes(num_clips=1))
    frames = figures.pictures(clips, 0)
    rows, titles = [frames], ["clip"]
    for name in METHODS:
        keys = {"num_iter": given.num_iter} if name == "step" else {}
        attribution = vx.explain(classifier, clips, method=name, **keys)
        heat, scale = figures.heat(attribution, clip=0, area=0, polarity="positive")
        rows.append(figures.heat_map(frames, heat, "viridis"))
        titles.append(f"{name} ({scale})")
    Figure(tuple(rows), tuple(titles), clips.names[0]).save(given.output)
    print(given.output)


if __name__ == "__main__":
    main()
