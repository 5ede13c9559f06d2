"""`pacslab certs list|renew|revoke`: who has which certificate, a new one, and none any more."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from pacslab.cli.output import print_json, progress, say, stdout
from pacslab.cli.target import JsonOption, LabArgument, Target, require_node, running
from pacslab.engine.certificates import Certificates
from pacslab.engine.delivery import Delivery, Uptake, deliver
from pacslab.engine.docker import Docker
from pacslab.engine.inventory import Entry, Standing, inventory
from pacslab.errors import Exit, PacslabError
from pacslab.kinds import KINDS
from pacslab.model.dicom import CERTIFICATE_APPLICATIONS
from pacslab.model.plan import Plan

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The certificates of a lab's nodes.")

NodesArgument = Annotated[list[str] | None, typer.Argument(metavar="[NODE]...", help="Only these; without any, all.")]
NodeArgument = Annotated[str, typer.Argument(metavar="NODE", help="Whose certificate.")]


@app.command("list")
def list_certificates(lab: LabArgument, *, json: JsonOption = False) -> int:
    """Show every node's certificate; exit 1 if one is not valid or has not reached its node."""
    target = running(Docker.connect(), lab)
    found = inventory(_certificates(target))
    if json:
        print_json({"lab": target.plan.lab, "certificates": found})
    else:
        _print(target.plan, found)
    return Exit.DONE if all(e.standing is Standing.VALID and e.delivered for e in found) else Exit.NO


@app.command("renew")
def renew(lab: LabArgument, nodes: NodesArgument = None, *, json: JsonOption = False) -> None:
    """Give nodes a new key and certificate, and bring it to those that run; no container begins anew."""
    docker = Docker.connect()
    target = running(docker, lab)
    certificates = _certificates(target)
    names = _named(target.plan, certificates, nodes or list(certificates.nodes))
    with target.state.held("certs renew"), progress(f"certs renew {target.plan.lab}") as report:
        for name in names:
            certificates.renew(name)
        done = deliver(docker, target.plan, target.state, names, report)
    if json:
        print_json({"lab": target.plan.lab, "renewed": done, "certificates": inventory(certificates)})
        return
    for delivery in done:
        _tell(delivery, "has a new key and certificate")


@app.command("revoke")
def revoke(lab: LabArgument, node: NodeArgument, *, json: JsonOption = False) -> None:
    """Take back a node's certificate, and tell every node that runs; new connections are refused from then on."""
    docker = Docker.connect()
    target = running(docker, lab)
    certificates = _certificates(target)
    (name,) = _named(target.plan, certificates, [node])
    with target.state.held("certs revoke"), progress(f"certs revoke {target.plan.lab}") as report:
        news = certificates.revoke(name)
        # Also when it was revoked before: whoever was not told then is told now.
        told = certificates.nodes if news else tuple(n for n in certificates.nodes if n in certificates.owed())
        done = deliver(docker, target.plan, target.state, told, report, certificate=False)
    unaware = _unaware(target.plan, name)
    if json:
        document = {"lab": target.plan.lab, "revoked": name, "news": news, "told": done, "still_accepted_by": unaware}
        print_json(document)
        return
    say(f"the certificate of {name} {'is revoked' if news else 'was revoked already'}")
    stopped = [delivery.node for delivery in done if delivery.uptake is Uptake.STOPPED]
    say(f"{len(done) - len(stopped)} nodes have the new revocation list" if done else "every node knew")
    if stopped:
        say(f"not running, told when they start by `pacslab up`: {', '.join(stopped)}")
    if unaware:
        say(f"warning: still accepted by those that read no revocation list, until it ends: {', '.join(unaware)}")
        say("  hint: take the node out of the conduits that lead there, and run `pacslab up`")


def _certificates(target: Target) -> Certificates:
    certificates = Certificates(target.state, target.plan)
    if all(certificates.peek(node) is None for node in certificates.nodes):
        message = f"lab {target.plan.lab} has no certificates"
        raise PacslabError(message, hint="they are made when a lab comes up: pacslab up LAB", exit_code=Exit.REFUSED)
    return certificates


def _named(plan: Plan, certificates: Certificates, names: list[str]) -> tuple[str, ...]:
    """The nodes of these names, each once.

    Raises:
        PacslabError: The lab has no such node, or the node has no certificate.
    """
    containers = {container.name: container.node for container in plan.containers}
    found = tuple(dict.fromkeys(containers.get(require_node(plan, name), name) for name in names))
    for name in found:
        if name not in certificates.nodes:
            raise PacslabError(
                f"{name} has no certificate: nothing that it speaks shows one",
                hint=f"nodes with certificates: {', '.join(certificates.nodes)}",
                exit_code=Exit.USAGE,
            )
    return found


def _unaware(plan: Plan, node: str) -> tuple[str, ...]:
    """Nodes that this one may call with its certificate, and that do not ask whether it is revoked."""
    kinds = {planned.name: KINDS[planned.kind] for planned in plan.nodes}
    called = (f.destination for f in plan.flows if f.source == node and f.application in CERTIFICATE_APPLICATIONS)
    return tuple(dict.fromkeys(name for name in called if not kinds[name].checks_revocation))


def _tell(delivery: Delivery, what: str) -> None:
    match delivery.uptake:
        case Uptake.STOPPED:
            say(f"{delivery.node} {what}; it does not run, and gets them when `pacslab up` starts it")
        case Uptake.RELOADED:
            say(f"{delivery.node} {what}, and has reloaded")
        case Uptake.NEXT_CONNECTION:
            say(f"{delivery.node} {what}, {delivery.uptake.value}")


def _print(plan: Plan, found: tuple[Entry, ...]) -> None:
    table = Table("node", "AE title", "standing", "days left", "until", "roles", "serial", "SHA-256", box=None)
    table.pad_edge = False
    for entry in found:
        ends = f"{entry.not_after:%Y-%m-%d %H:%M}" if entry.not_after else ""
        standing = entry.standing.value + ("" if entry.delivered else ", not delivered")
        table.add_row(
            entry.node, entry.ae_title, standing, str(entry.days_left) if entry.not_after else "", ends,
            " ".join(entry.roles), entry.serial[:12], entry.sha256[:16],
        )  # fmt: skip
    console = stdout()
    console.print(table)
    console.print(f"lab {plan.lab}: {len(found)} certificates of its CA; times are UTC")
    if any(not entry.delivered for entry in found):
        say("some nodes have not got their latest TLS files: `pacslab up LAB` brings them")
