"""How many tokens something probably is."""

from gateway.estimate import IMAGE, prompt_tokens


def test_text_counts_by_its_bytes_wherever_it_stands():
    assert prompt_tokens("abcd" * 10) == 10
    assert prompt_tokens({"abcd": ["abcd", {"abcd": 7}], "efgh": None}) == 4
    assert prompt_tokens("世界世界") == 3


def test_a_file_counts_by_what_it_shows():
    image = {"type": "base64", "media_type": "image/png", "data": "A" * 20_000_000}
    assert prompt_tokens([{"type": "image", "source": image}]) == IMAGE + 4
    paper = {"type": "base64", "media_type": "application/pdf", "data": "A" * 4_000_000}
    assert 90_000 < prompt_tokens(paper) < 110_000


def test_depth_does_not_matter():
    deep = "abcd"
    for _ in range(10_000):
        deep = [deep]
    assert prompt_tokens(deep) == 1
