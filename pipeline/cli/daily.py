"""The verb `daily`: a day's log to a model in service, or to the reasons why not."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from features.errors import ConfigError
from pipeline.system.lock import only_job_at
from pipeline.system.quiet import import_tensorflow

NOT_PUBLISHED = 3  # exit code: the data were refused, or the model was not blessed


def daily(
    state: Annotated[Path, typer.Option("--state", help="Folder of the daily job.")],
    config: Annotated[
        Path | None, typer.Option("--config", help="YAML file; `data` names the day as {day}.")
    ] = None,
    day: Annotated[
        str | None, typer.Option("--day", metavar="DAY", help="Such as 2026-11-28.")
    ] = None,
    stage: Annotated[
        Literal["build", "check", "train", "bless", "publish"] | None,
        typer.Option("--stage", help="This one alone, for orchestrators."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Overrides a setting; may be repeated."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Does the last day again from its files.")
    ] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Puts the former version back in service.")
    ] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Makes the canary stable.")] = False,
) -> None:
    """Builds, checks, trains, blesses and publishes a day; the same command goes on after a crash.

    Exit codes: 0 published, 2 a mistake, 3 refused or not blessed.
    """
    if rollback or promote:
        if (config, day, stage, settings, again) != (None, None, None, None, False) or (
            rollback and promote
        ):
            raise ConfigError(
                "--rollback and --promote go with --state alone. Leave the other options out."
            )
        with only_job_at(str(state)):
            _change_service(state, rollback)
        return
    if config is None or day is None:
        raise ConfigError("a day needs --config and --day. Give both, or --rollback.")
    with only_job_at(str(state)):
        code = _do(config, day, state, stage, settings or [], again)
    raise typer.Exit(code)


def _do(
    config: Path, day: str, path: Path, stage: str | None, settings: list[str], again: bool
) -> int:
    import_tensorflow()
    from pipeline.daily.daily import do_day, forget_day, mend, published
    from pipeline.daily.day_job import day_job
    from pipeline.daily.state_folder import StateFolder, check_day
    from pipeline.system.console import say

    state = StateFolder(path)
    check_day(day)
    if again:
        day_job(config, settings, state, day)  # refuses before anything is removed
        forget_day(state, day)
    mend(state)
    version = published(state, day)
    if version is not None:
        withdrawn = ", and withdrawn" if version.withdrawn else ""
        say("publish", f"{day} was version {version.number}{withdrawn}. --again does it again")
        return NOT_PUBLISHED if version.withdrawn else 0
    decision = do_day(day_job(config, settings, state, day), stage)
    for reason in decision.reasons:
        say("refused", reason)
    say("page", str(state.page))
    if decision.reasons:
        return NOT_PUBLISHED
    if decision.stage == "publish":
        version = published(state, day)
        assert version is not None
        say("publish", f"{day} is version {version.number} of {state.serving}")
    return 0


def _change_service(path: Path, rollback: bool) -> None:
    import_tensorflow()
    from pipeline.daily import service
    from pipeline.daily.history_page import write_history
    from pipeline.daily.state_folder import StateFolder
    from pipeline.system.console import say

    state = StateFolder(path)
    if rollback:
        bad, back = service.rollback(state)
        say("service", f"version {bad.number} of {bad.day} is withdrawn")
        say("service", f"version {back.number} of {back.day} is stable")
    else:
        version = service.promote(state)
        say("service", f"version {version.number} of {version.day} is stable")
    write_history(state)
