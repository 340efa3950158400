"""The command line: `backprop train`, `predict`, `explain`, `info` and `config`.

`arguments` declares what each takes, of which `values` makes numbers and entries of the catalogue;
`training` and `commands` do it. Every error of the user's is one line on stderr and exit code 2;
Ctrl-C is exit code 130.
"""

import os
import sys

_INTERRUPTED = (
    130  # 128 + SIGINT and 128 + SIGPIPE: what a shell reports of a program that the signal ended
)
_BROKEN_PIPE = 141


def main(argv=None):
    """Run the command line `argv` (default: the program's own) and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console that lacks "×" gets \xd7, not a traceback
            stream.reconfigure(errors="backslashreplace")
    from backprop.cli.arguments import parser

    options = parser().parse_args(argv)
    try:
        if options.command == "train":
            from backprop.cli import training as commands
        else:
            from backprop.cli import commands
        code = getattr(commands, options.command)(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader has gone (`backprop predict … | head`); the flush at exit must not complain
        # about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        print("backprop: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except (ValueError, OSError, ArithmeticError, MemoryError, ImportError) as error:
        from backprop.cli.common import warn

        warn(f"error: {_describe(error)}")
        return 2


def _describe(error):
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.strerror}: {str(error.filename)!r}"
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, FloatingPointError):
        return text.replace("learning_rate", "--learning-rate")
    return f"out of memory: {text}" if isinstance(error, MemoryError) else text
