from videxplain.words import counted, first_of


def test_counts() -> None:
    assert [counted(number, "job") for number in (0, 1, 2)] == ["0 jobs", "1 job", "2 jobs"]


def test_long_lists_are_cut() -> None:
    assert first_of(["a"]) == "a"
    assert first_of(["a", "b", "c"]) == "a, b, c"
    assert first_of(["a", "b", "c", "d"]) == "a, b, c and 1 more"
