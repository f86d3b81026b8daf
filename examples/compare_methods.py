"""Which method finds the object that moves? Methods on clips whose evidence is known.

python examples/compare_methods.py --clips 8 --num-iter 400
"""

import argparse

import videxplain as vx
from videxplain.metrics.causal import ProbabilityKept
from videxplain.metrics.localisation import PrecisionAtArea

METHODS = ("random", "grad", "grad_x_input", "grad_cam", "3d_ep", "step")


def main() -> None:
    """Explain all clips by each method, and print the mean of two metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--num-iter", type=int, default=400, help="at most; 10 show that it works")
    given = parser.parse_args()

    classifier = vx.load_model("tiny_tsm")
    clips = classifier.preprocess(vx.shapes(num_clips=given.clips))
    precision, kept = PrecisionAtArea(), ProbabilityKept()
    print("method        precision  p kept")
    for name in METHODS:
        searched = {"num_iter": given.num_iter, "perturb_area": 0.05}
        keys = searched if name in ("3d_ep", "step") else {}
        attribution = vx.explain(classifier, clips, method=name, **keys)
        found = precision(classifier, clips, attribution)  # a b: areas, clips
        seen = kept(classifier, clips, attribution)  # NaN for maps, which are no masks
        print(f"{name:12}  {found.mean():9.2f}  {seen.mean():6.2f}")


if __name__ == "__main__":
    main()
