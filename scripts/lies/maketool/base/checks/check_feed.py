import datetime

from lib import contains, equal, run
from mill.feed import render_feed
from mill.site import Page


def page(day, **more):
    return Page(f"p{day}", f"Page {day}", "", datetime.date(2024, 3, day), **more)


def newest_first():
    feed = render_feed([page(1), page(3), page(2)])
    equal([line[13:19] for line in feed.splitlines() if "<item>" in line],
          ["Page 3", "Page 2", "Page 1"])


def at_most_ten():
    equal(render_feed([page(day) for day in range(1, 20)]).count("<item>"), 10)


def date_format():
    contains(render_feed([page(1)]), "<pubDate>Fri, 01 Mar 2024 00:00:00 GMT</pubDate>")


run(newest_first, at_most_ten, date_format)
