"""Ruleset tree to text: one transaction that touches no other table."""

import re

from pacslab.firewall.text import render
from pacslab.model.plan import Plan
from pacslab.model.ruleset import (
    Accept,
    Base,
    Chain,
    Counter,
    Drop,
    Element,
    Goto,
    Hook,
    Log,
    Lookup,
    Match,
    NamedSet,
    Rule,
    StateMap,
    Table,
    VerdictMap,
)

TABLE = Table(
    sets=(
        NamedSet("cables", ("iifname", "ip saddr"), (Element(('"a"', "198.18.1.10")), Element(('"b"', "198.18.1.11")))),
    ),
    maps=(VerdictMap("flows", ("ip saddr", "th dport"), (Element(("198.18.1.10", "104"), "acquire"),)),),
    chains=(
        Chain("deny_x", (Rule((Log("pacslab:x"), Counter(), Drop()), "deny x"),)),
        Chain(
            "forward",
            (
                Rule((StateMap((("established", "deny_x"), ("invalid", "deny_x"))),)),
                Rule((Match(("iifname", "ip saddr"), "@cables", negated=True), Goto("deny_x"))),
                Rule((Lookup(("ip saddr", "th dport"), "flows"),)),
                Rule((Match(("meta l4proto",), "udp"), Accept())),
            ),
            Base(Hook.FORWARD, "filter"),
        ),
    ),
)
TEXT = """\
table inet pacslab
delete table inet pacslab
table inet pacslab {
	set cables {
		typeof iifname . ip saddr
		elements = {
			"a" . 198.18.1.10,
			"b" . 198.18.1.11
		}
	}
	map flows {
		typeof ip saddr . th dport : verdict
		counter
		elements = {
			198.18.1.10 . 104 counter packets 0 bytes 0 comment "acquire" : accept
		}
	}
	chain deny_x {
		log prefix "pacslab:x" group 1 snaplen 96 counter drop comment "deny x"
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state vmap { established : goto deny_x, invalid : goto deny_x }
		iifname . ip saddr != @cables goto deny_x
		ip saddr . th dport vmap @flows
		meta l4proto udp accept
	}
}
"""


def test_every_statement() -> None:
    assert render(TABLE) == TEXT


def test_a_set_without_elements_is_left_open() -> None:
    text = render(Table((NamedSet("nodes", ("ip daddr",), ()),), (), ()))
    assert "\tset nodes {\n\t\ttypeof ip daddr\n\t}\n" in text


def test_the_old_table_goes_in_the_same_transaction_and_no_other_table_is_named(reference: Plan) -> None:
    text = reference.ruleset
    assert text.startswith("table inet pacslab\ndelete table inet pacslab\ntable inet pacslab {\n")
    assert "flush" not in text
    assert set(re.findall(r"\btable (\w+ \w+)", text)) == {"inet pacslab"}
