"""The commands of `fullon`, their arguments and their help; the work is in the modules beside this one.

Only the argument parser is imported here, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

EPILOGUE = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the platform does not run or cannot be reached, "
    "4 refused. FULLON_HOME and FULLON_PORT choose the platform, FULLON_URL a remote one."
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=EPILOGUE,
    help="The local platform: start it, look at it, talk to it.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
socket = typer.Typer(no_args_is_help=True, help="Live streams over the WebSocket.")
services = typer.Typer(no_args_is_help=True, help="Start, stop and inspect the daemons (admin).")
app.add_typer(socket, name="ws")
keys = typer.Typer(no_args_is_help=True, help="The master key that seals the keys of exchange accounts.")
app.add_typer(services, name="services")
app.add_typer(keys, name="keys")

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output and nothing else there.")]
Name = Annotated[str, typer.Argument(help="ticker, ohlcv, streamer, …")]


@app.command()
def up() -> None:
    """Run the whole platform in the foreground; Ctrl-C stops it."""
    import os

    from local.supervisor.run import up as run_up

    raise typer.Exit(run_up(os.environ))


@app.command()
def status(
    json: Json = False,
    env: Annotated[
        bool, typer.Option("--env", help="Print shell variables for other programs; holds secrets.")
    ] = False,
) -> None:
    """Show what runs: processes, ports, health."""
    from local.cli import status as command

    command.show(as_json=json, as_environment=env)


@app.command()
def logs(
    names: Annotated[list[str] | None, typer.Argument(help="Only these: gateway, auth, ticker, …")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written from now on.")] = False,
    request_id: Annotated[
        str | None, typer.Option("--request", "--request-id", help="Only lines of this request, through all functions.")
    ] = None,
    trace_id: Annotated[
        str | None, typer.Option("--trace", help="Only lines of this trace, through functions and daemons.")
    ] = None,
    level: Annotated[str | None, typer.Option(help="Only this bad or worse: debug, info, warning, error.")] = None,
    with_metrics: Annotated[bool, typer.Option("--metrics", help="Lines of metrics too.")] = False,
    since: Annotated[str | None, typer.Option(help="Only this long ago: 30s, 5m, 2h, 1d.")] = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the last lines.")] = 200,
    json: Json = False,
) -> None:
    """Show the logs of all processes, functions and daemons, merged by time."""
    from local.cli import logs as command

    command.show(
        names or [],
        follow=follow,
        request_id=request_id,
        since=since,
        lines=lines,
        as_json=json,
        trace_id=trace_id,
        level=level,
        with_metrics=with_metrics,
    )


@app.command()
def metrics(
    names: Annotated[list[str] | None, typer.Argument(help="Only these components: auth, ticker, …")] = None,
    since: Annotated[str, typer.Option(help="Over the last 30s, 5m, 2h, 1d.")] = "5m",
    watch: Annotated[bool, typer.Option("--watch", help="Show them again and again; Ctrl-C ends it.")] = False,
    json: Json = False,
) -> None:
    """Show what functions and daemons measure: how many, how fast, how far behind."""
    from local.cli import metrics as command

    command.show(names or [], since=since, watch=watch, as_json=json)


@app.command()
def trace(
    identifier: Annotated[
        str | None, typer.Argument(metavar="ID", help="A trace, or a request of one; none lists the latest traces.")
    ] = None,
    json: Json = False,
) -> None:
    """Show where the time of one request went, through gateway, functions, stores and daemons."""
    from local.cli import trace as command

    command.show(identifier, as_json=json)


@app.command()
def doctor(json: Json = False) -> None:
    """Check this machine and say how to mend what is wrong."""
    from local.cli import doctor as command

    raise typer.Exit(command.show(as_json=json))


@app.command()
def seed() -> None:
    """Sow the demo users, catalogue and symbols again; what is there stays."""
    from local.cli import data

    data.seed()


@app.command("demo-data")
def demo_data(
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing when it is there already.")] = False,
    json: Json = False,
) -> None:
    """Fetch the recorded market data that the paper venue replays."""
    from local.cli import data

    data.fetch(if_missing=if_missing, as_json=json)


@app.command()
def login(
    mail: Annotated[str | None, typer.Option(help="Default: ADMIN_MAIL, admin@fullon.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Log in for the other commands; asks for the password unless FULLON_ADMIN_PASSWORD or standard input has it."""
    from local.cli import login as command

    command.log_in(mail, from_stdin=password_stdin)


@app.command()
def logout() -> None:
    """End the session of this command."""
    from local.cli import login as command

    command.log_out()


@app.command()
def version(json: Json = False) -> None:
    """Show the version."""
    from local.cli import data

    data.version(as_json=json)


@socket.command("tail")
def tail(
    channel: Annotated[str, typer.Argument(help="tickers, trades, ohlcv or processes.")],
    exchange: Annotated[str | None, typer.Option(help="A venue of the catalogue, for example paper.")] = None,
    symbol: Annotated[list[str] | None, typer.Option(help="BTC/USDT; may be given several times.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="1m … 1M, for ohlcv.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after this many messages.")] = None,
    json: Json = False,
) -> None:
    """Subscribe to a channel and print what comes; reconnects by itself."""
    from local.cli import tail as command

    command.run(channel, exchange=exchange, symbols=symbol or [], timeframe=timeframe, count=count, as_json=json)


@services.command("list")
def services_list(json: Json = False) -> None:
    """Show all daemons."""
    from local.cli import services as command

    command.show_all(as_json=json)


@services.command("status")
def services_status(name: Name, json: Json = False) -> None:
    """Show one daemon."""
    from local.cli import services as command

    command.show_one(name, as_json=json)


@services.command("start")
def services_start(name: Name, json: Json = False) -> None:
    """Start a daemon."""
    from local.cli import services as command

    command.act(name, "start", as_json=json)


@services.command("stop")
def services_stop(name: Name, json: Json = False) -> None:
    """Stop a daemon."""
    from local.cli import services as command

    command.act(name, "stop", as_json=json)


@services.command("restart")
def services_restart(name: Name, json: Json = False) -> None:
    """Replace a daemon's running instance."""
    from local.cli import services as command

    command.act(name, "restart", as_json=json)


@keys.command("rotate")
def keys_rotate(json: Json = False) -> None:
    """Bring all accounts under the present ENCRYPTION_KEY or KMS_KEY_ID, once the platform was started with it."""
    from local.cli import keys as command

    command.rotate(as_json=json)


def main() -> None:
    """Entry of the command; ends the process with its exit code."""
    from local.errors import MachineProblem

    try:
        app()
    except MachineProblem as problem:
        from local.cli.output import end_with

        sys.exit(end_with(problem))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
