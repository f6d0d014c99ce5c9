import datetime

from lib import contains, equal, fails, run
from mill import header
from mill.errors import MillError


def all_keys():
    text = "---\ntitle: A: b\ndate: 2024-03-01\ntags: x, y,\ndraft: TRUE\n---\nBody\n"
    values, body = header.parse(text)
    equal(values["title"], "A: b")
    equal(values["date"], datetime.date(2024, 3, 1))
    equal(values["tags"], ["x", "y"])
    equal(values["draft"], True)
    equal(body, "Body")


def no_header():
    equal(header.parse("Just text")[1], "Just text")


def comments_and_blanks():
    equal(header.parse("---\n# note\n\ntitle: T\n---\n")[0]["title"], "T")


def mistakes():
    contains(fails(MillError, header.parse, "---\ntitle: T\n"), "without an end")
    contains(fails(MillError, header.parse, "---\ndate: soon\n---\n"), "bad date")
    contains(fails(MillError, header.parse, "---\ncolour: red\n---\n"), "colour")


run(all_keys, no_header, comments_and_blanks, mistakes)
