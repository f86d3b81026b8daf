"""What a method is, in words."""

import inspect

from tabulate import tabulate

from videxplain.types import Explainer

_TARGET = "_target_"


def describe(name: str, method: Explainer, keys: str) -> str:
    """What ``videxplain method=<name> --help`` shows.

    Args:
        name: A file of conf/method.
        method: Built with its defaults.
        keys: That file.
    """
    facts = {
        "signed": _yes(method.signed),
        "complete": _yes(method.complete),
        "deterministic": _yes(method.deterministic),
        "cost": f"{method.cost.forward} forward and {method.cost.backward} backward passes a clip, "
        "with the keys below",
        "citation": method.citation,
    }
    told = "\n".join(line for line in keys.splitlines() if not line.startswith(_TARGET))
    return "\n\n".join(
        [
            f"method={name}",
            inspect.getdoc(type(method)) or "",
            tabulate(facts.items(), tablefmt="plain"),
            "Keys, as method.<key>=<value>; ${...} is the root key of that name:",
            told,
        ]
    )


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
