"""Tests for :mod:`edgemesh.link.pages`."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive.message import Message
from edgemesh.errors import RemoteProtocolError
from edgemesh.link.modules import answerTo, recordOf
from edgemesh.link.pages import LIMIT, PAGE, Pages, PageWish, Row, page, pageWish
from tests.link.samples import messages, query

TEXTS = st.sampled_from(["1", '{"a":"<"}', "x" * 60_000])


class WishTests(SynchronousTestCase):
    """What a query says."""

    def test_whole(self) -> None:
        """KubeEdge's own queries, and odd ones, want the whole list."""
        ours = messages("c")
        for content in (
            None,
            "",
            [],
            {},
            {"after": "a"},
            {"after": 1, "limit": 1},
            {"after": "", "limit": 0},
            {"after": "", "limit": True},
            {"after": "", "limit": "5"},
        ):
            self.assertIsNone(pageWish(query(ours, "all/service", content)))

    def test_page(self) -> None:
        """A query with a page says so in its content; the limit is bounded."""
        ours = messages("c")
        for wish in (PageWish(), PageWish("default/service/b", 7)):
            self.assertEqual(pageWish(query(ours, "all/service", wish.content())), wish)
        greedy = query(ours, "all/service", {"after": "", "limit": 10**9})
        self.assertEqual(pageWish(greedy), PageWish("", LIMIT))


class Shop:
    """Rows by key, and who answers queries for them."""

    def __init__(self, rows: dict[str, str]) -> None:
        self.rows = rows
        self.largest = 0
        self.answers = 0
        self.ours, self.theirs = messages("c"), messages("s")

    def after(self, key: str) -> Iterator[Row]:
        """The rows with a greater key, in order."""
        return (Row(k, self.rows[k]) for k in sorted(self.rows) if k > key)

    def answer(self, asking: Message) -> Message:
        """As our metamanager answers."""
        wish = pageWish(asking)
        assert wish is not None
        answer = self.theirs.newRespByMessage(asking, page(self.after(wish.after), wish))
        self.largest = max(self.largest, len(recordOf(answerTo(asking, answer))))
        self.answers += 1
        return answer

    def collect(self, pages: Pages) -> list[bytes]:
        """Ask until the list is complete."""
        while pages.wish is not None:
            pages.take(self.answer(query(self.ours, "all/service", pages.wish.content())))
        return pages.texts


class PagesTests(SynchronousTestCase):
    """A list in pages."""

    def test_one(self) -> None:
        """A short list is one page, an empty one too."""
        for rows in ({}, {"a": "1", "b": "2"}):
            shop = Shop(rows)
            self.assertEqual(shop.collect(Pages()), [rows[key].encode() for key in rows])
            self.assertEqual(shop.answers, 1)

    def test_limit(self) -> None:
        """The limit is kept, and a page that ends with the last object says that it does."""
        shop = Shop({f"k{n}": str(n) for n in range(6)})
        self.assertEqual(len(shop.collect(Pages(2))), 6)
        self.assertEqual(shop.answers, 3)

    def test_recordSize(self) -> None:
        """No record is larger than 128 KiB, however many and quoted the objects are."""
        text = '{"kind":"Service","metadata":{"name":"\\"<&>\\""}}' * 60
        shop = Shop({f"default/service/{n:05}": text for n in range(100)})
        self.assertEqual(len(shop.collect(Pages())), 100)
        self.assertLessEqual(shop.largest, PAGE)
        self.assertGreater(shop.largest, PAGE * 0.9)

    def test_huge(self) -> None:
        """An object larger than a page comes on a page of its own."""
        shop = Shop({"a": "1", "b": "x" * PAGE, "c": "3"})
        self.assertEqual([len(text) for text in shop.collect(Pages())], [1, PAGE, 1])

    def test_lazy(self) -> None:
        """No more rows are read than a page needs."""
        rows = (Row(f"{n:03}", "x") for n in range(1_000))
        page(rows, PageWish(limit=10))
        self.assertEqual(next(rows).key, "011")

    def test_stock(self) -> None:
        """A stock metamanager answers whole; a miss is an empty list."""
        ours, theirs = messages("c"), messages("s")
        for content, expected in (
            (['{"a":1}', '{"b":2}'], [b'{"a":1}', b'{"b":2}']),
            ([], []),
            (None, []),
        ):
            pages = Pages()
            pages.take(theirs.newRespByMessage(query(ours), content))
            self.assertEqual(pages.texts, expected)
            self.assertIn("complete", repr(pages))

    def test_broken(self) -> None:
        """What is no page, or would be asked for without end, is an error."""
        ours, theirs = messages("c"), messages("s")
        first = theirs.newRespByMessage(query(ours), {"items": ["1"], "next": "b"})
        for content in (
            {"items": ["1"]},
            {"next": "c"},
            {"items": [{}], "next": ""},
            {"items": ["1"], "next": "b"},
            {"items": ["1"], "next": "a"},
            {"items": [], "next": "c"},
            {"kind": "Service"},
        ):
            pages = Pages()
            pages.take(first)
            self.assertIn("asking after 'b'", repr(pages))
            answer = theirs.newRespByMessage(query(ours), content)
            self.assertRaises(RemoteProtocolError, pages.take, answer)

    @settings(derandomize=True, max_examples=25, deadline=None)
    @given(
        st.dictionaries(
            st.text('a/<"\u00e9\uffee\U0001f600', min_size=1, max_size=5), TEXTS, max_size=20
        ),
        st.integers(1, 7),
    )
    def test_complete(self, rows: dict[str, str], limit: int) -> None:
        """Every object comes once, in the order of the keys, whatever the limit."""
        found = Shop(rows).collect(Pages(limit))
        self.assertEqual(found, [rows[key].encode() for key in sorted(rows)])
