"""A mutant and a running lab -> what the suites say of it live, against what was foreseen."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, replace

from pacslab.checks import proof
from pacslab.checks.asking import Endings, request
from pacslab.checks.judge import WITHOUT_TARGET, judge_other, judge_reach
from pacslab.checks.mutate import Bench, Case, notice
from pacslab.engine.fabric import Fabric
from pacslab.errors import Exit, PacslabError
from pacslab.firewall.text import render
from pacslab.model.dicom import Protocol
from pacslab.model.fabric import Plug
from pacslab.model.mutation import Live, Scored
from pacslab.model.packet import TCP, UDP
from pacslab.model.probe import Probe, ProbeClass
from pacslab.model.sweep import SweepReport
from pacslab.model.trial import Lasting, TrialRequest
from pacslab.model.verdict import Result, Verdict

CONTROLS = 40  # probes that are sent although the mutant should not change them
LIMIT_S = 30.0  # after that the fabric puts the planned rules back by itself
_CONNECT_TIMEOUT_S = 1.5  # one SYN is retransmitted after 1 s (RFC 6298 2)
_NUMBERS = {TCP: Protocol.TCP, UDP: Protocol.UDP}
_PROTOCOLS = {Protocol.TCP: TCP, Protocol.UDP: UDP}


@dataclass(frozen=True, slots=True)
class Trials:
    """Mutants tried in one running lab."""

    bench: Bench
    fabric: Fabric
    plugs: tuple[Plug, ...]
    seed: int

    def refuse_unfit(self) -> None:
        """Say so if the fabric does not enforce what the mutants are mutants of.

        Raises:
            PacslabError: It does not.
        """
        if not self.fabric.settled(0.0):
            raise PacslabError(
                "the rules in force are not those that were loaded: somebody changed them",
                hint="put them back with: pacslab up LAB",
            )
        failed = [r for r in proof.judge(self.bench.plan, self.fabric.ruleset()) if r.verdict is not Verdict.PASS]
        if failed:
            raise PacslabError(
                f"the running lab does not enforce its policy as it is: {failed[0].observed or failed[0].reason}",
                hint="a check that already fails shows nothing: see pacslab drift LAB, then pacslab up LAB",
            )

    def run(self, case: Case) -> Scored:
        """Put a mutant in force for one sweep; the fabric puts the planned rules back, even if we die.

        Raises:
            PacslabError: Interrupted, and what is in force now; or the fabric refuses.
        """
        began = time.monotonic()
        places = self._places(case)
        chosen = [self.bench.foresight.probes[place] for place in places]
        sweep = replace(request(self.bench.plan, self.plugs, chosen), connect_timeout_s=_CONNECT_TIMEOUT_S)
        asked = TrialRequest(render(case.mutant.table), self.bench.ruleset, self._lasting(), sweep, LIMIT_S)
        try:
            report = self.fabric.trial(asked)
        except KeyboardInterrupt:
            self._say_what_is_in_force(case)
            raise
        if not report.on_time:
            raise PacslabError(
                f"the trial of {case.mutant.id} took more than {LIMIT_S:.0f} s; the planned rules are back"
            )
        of_rules = proof.judge(self.bench.plan, json.loads(report.listed))
        seen = dict(zip(places, self._judge(chosen, report.sweep), strict=True))
        live = Live(
            proof=notice(of_rules),
            reach=notice(seen.values()),
            probes=len(chosen),
            disagreements=tuple(self._disagreements(case, of_rules, seen)),
            open_s=report.open_s,
            elapsed_s=round(time.monotonic() - began, 3),
        )
        return replace(case.scored, live=live)

    def _places(self, case: Case) -> tuple[int, ...]:
        """Probes that should see the mutant, and others that should not."""
        chance = random.Random(f"{self.seed}/{case.mutant.id}")  # noqa: S311 - a sample, not a secret
        every = self.bench.foresight.probes
        allowed = [place for place, probe in enumerate(every) if probe.allowed]
        others = chance.sample(range(len(every)), min(CONTROLS, len(every)))
        known_good = chance.sample(allowed, min(4, len(allowed)))
        return tuple(dict.fromkeys([*case.foreseen.fails, *case.foreseen.doubts, *known_good, *others]))

    def _lasting(self) -> tuple[Lasting, ...]:
        open_flows = (flow for flow in self.bench.plan.flows if not flow.granted)
        return tuple(
            Lasting(f.source_address, f.destination_address, _PROTOCOLS[f.protocol], *f.ports) for f in open_flows
        )

    def _judge(self, chosen: list[Probe], report: SweepReport) -> list[Result]:
        plan = self.bench.plan
        endings = Endings(plan, report)
        results = []
        for number, probe in enumerate(chosen):
            ending = endings.of(number, probe)
            if probe.kind is ProbeClass.SERVICE:
                control = endings.control(
                    probe.destination, _NUMBERS[probe.protocol], probe.destination_port, probe.version
                )
                flow = plan.flows[probe.flow] if probe.allowed else None
                results.append(judge_reach(probe, flow, ending, control, probe.packet.service))
            else:
                control = None if probe.kind in WITHOUT_TARGET else endings.alive(probe.destination)
                verdict, observed, reason = judge_other(probe, ending, control)
                ends = (probe.source, probe.destination, probe.packet.service)
                results.append(Result(probe.kind.value, verdict, *ends, "denied", observed, reason=reason))
        return results

    def _disagreements(self, case: Case, of_rules: tuple[Result, ...], seen: dict[int, Result]) -> list[str]:
        """Where a suite says other than was foreseen."""
        found = []
        failed = tuple(dict.fromkeys(r.check for r in of_rules if r.verdict is Verdict.FAIL))
        if set(failed) != set(case.scored.proof_checks):
            found.append(
                f"proof fails {', '.join(failed) or 'nothing'}, not {', '.join(case.scored.proof_checks) or 'nothing'}"
            )
        foreseen = self.bench.foresight.verdicts(case.mutant.table, case.effect, seen)
        for place, result in seen.items():
            if result.verdict is not foreseen[place] and result.verdict is not Verdict.SKIPPED:
                probe = self.bench.foresight.probes[place]
                why = f" ({result.reason})" if result.reason else ""
                found.append(
                    f"{probe.kind.value} {probe.packet}: {result.verdict}, {result.observed}{why};"
                    f" foreseen was {foreseen[place]}"
                )
        return found

    def _say_what_is_in_force(self, case: Case) -> None:
        """The fabric goes on without us, and ends the trial by itself."""
        if self.fabric.settled(LIMIT_S + 5):
            what = f"the trial of {case.mutant.id} is over and the planned rules are in force"
            raise PacslabError(f"mutate was interrupted; {what}", exit_code=Exit.INTERRUPTED)
        raise PacslabError(
            f"mutate was interrupted, and {case.mutant.id} may still be in force",
            hint="put the planned rules back with: pacslab up LAB",
            exit_code=Exit.INTERRUPTED,
        )
