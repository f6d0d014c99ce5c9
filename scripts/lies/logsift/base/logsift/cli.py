"""The command line."""

import argparse
import sys

from logsift import __version__, filters, group, output, stats, summary
from logsift.errors import LogsiftError, OptionError, ParseError
from logsift.levels import check_level
from logsift.parse import PARSERS, parse_lines
from logsift.timespec import format_time, parse_time

EXIT_OK = 0
EXIT_NOTHING = 1
EXIT_BAD_INPUT = 2
EXIT_USAGE = 64


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def build_parser():
    common = Parser(add_help=False)
    common.add_argument("file", nargs="?", default="-", help="a log, - for stdin")
    common.add_argument("--input", choices=sorted(PARSERS), default="auto")
    common.add_argument("--since", metavar="TIME")
    common.add_argument("--until", metavar="TIME")
    common.add_argument("--last", metavar="AGE")
    common.add_argument("--level")
    common.add_argument("--where", action="append", default=[], metavar="NAME=VALUE")

    parser = Parser(prog="logsift", description="Sift structured logs.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)

    cmd = commands.add_parser("list", parents=[common], help="print records")
    cmd.add_argument("--format", choices=sorted(output.FORMATS), default="text")
    cmd.set_defaults(run=run_list)

    cmd = commands.add_parser("count", parents=[common], help="count per value")
    cmd.add_argument("--by", default="level")
    cmd.add_argument("--top", type=int)
    cmd.set_defaults(run=run_count)

    cmd = commands.add_parser("buckets", parents=[common], help="count over time")
    cmd.add_argument("--step", default="1h")
    cmd.set_defaults(run=run_buckets)

    cmd = commands.add_parser("stats", parents=[common], help="figures of a field")
    cmd.add_argument("--field", required=True)
    cmd.set_defaults(run=run_stats)
    return parser


def _option_time(name, text):
    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError:
        raise OptionError(f"bad time for {name}: {text!r}") from None


def read_records(args):
    """All records of the file (or of stdin) in the order of the log."""
    if args.file == "-":
        return list(parse_lines(sys.stdin, args.input))
    with open(args.file, encoding="utf-8") as handle:
        return list(parse_lines(handle, args.input))


def select(records, args, bounds=True):
    """Apply the options that all commands share."""
    if bounds:
        since = _option_time("--since", args.since)
        until = _option_time("--until", args.until)
        records = filters.by_time(records, since, until)
    if args.last:
        records = filters.by_age(records, filters.parse_age(args.last))
    if args.level:
        records = filters.by_level(records, check_level(args.level))
    for text in args.where:
        records = filters.by_where(records, *filters.parse_where(text))
    return records


def run_list(args, out):
    records = select(read_records(args), args)
    out.write(output.FORMATS[args.format](records))
    return EXIT_OK if records else EXIT_NOTHING


def run_count(args, out):
    if args.top is not None and args.top < 1:
        raise OptionError("--top must be at least 1")
    records = select(read_records(args), args)
    rows = group.share(group.group_counts(records, args.by, args.top))
    out.write(output.columns([(count, f"{part}%", key) for key, count, part in rows]))
    return EXIT_OK if rows else EXIT_NOTHING


def run_buckets(args, out):
    step = summary.parse_step(args.step)
    since = _option_time("--since", args.since)
    until = _option_time("--until", args.until)
    records = select(read_records(args), args, bounds=False)
    rows = summary.bucket_counts(records, step, since, until)
    out.write(output.columns([(format_time(start), count) for start, count in rows]))
    return EXIT_OK if rows else EXIT_NOTHING


def run_stats(args, out):
    values = stats.numbers(select(read_records(args), args), args.field)
    figures = stats.describe(values)
    out.write(output.columns([(name, f"{value:g}") for name, value in figures.items()]))
    return EXIT_OK if values else EXIT_NOTHING


def main(argv=None, out=None):
    args = build_parser().parse_args(argv)
    try:
        return args.run(args, out or sys.stdout)
    except ParseError as error:
        print(f"logsift: {args.file}: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except OSError as error:
        print(f"logsift: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except LogsiftError as error:
        print(f"logsift: {error}", file=sys.stderr)
        return EXIT_USAGE
