from lib import equal, run
from mill.markdown import inline, render


def formatting():
    equal(inline("a **b** *c*"), "a <strong>b</strong> <em>c</em>")
    equal(inline("[x](/y.html)"), '<a href="/y.html">x</a>')
    equal(inline("`a*b*` & <i>"), "<code>a*b*</code> &amp; &lt;i&gt;")


def blocks():
    equal(render("# One\ntext\nmore\n\n- a\n- b\n"),
          "<h1>One</h1>\n<p>text\nmore</p>\n<ul><li>a</li><li>b</li></ul>\n")


def nothing():
    equal(render("\n\n"), "")


run(formatting, blocks, nothing)
