"""Lab -> diagnostics: one function for each thing that a well-shaped lab can still get wrong."""

from __future__ import annotations

from pacslab.labfile.rules import conduits, names, networks, reverse, review, titles, widths
from pacslab.labfile.rules.world import Rule, World

RULES: tuple[Rule, ...] = (
    names.node_names_are_unique,
    names.conduit_ids_are_unique,
    networks.networks_are_apart,
    networks.addresses_are_right,
    titles.ae_titles_are_right,
    titles.initiators_have_ae_titles,
    conduits.conduits_reach_services,
    conduits.conduits_open_something_once,
    conduits.settings_have_conduits,
    conduits.forwards_may_store,
    conduits.services_are_reached,
    reverse.commitment_is_answered,
    reverse.moves_are_delivered,
    reverse.reverse_conduits_are_needed,
    widths.zones_are_not_joined,
    widths.whole_zones_are_alike,
    widths.databases_serve_their_archives,
    widths.the_outside_stays_outside,
    review.reasons_are_given,
    review.conduits_have_not_expired,
    review.grants_have_a_limit,
    review.clear_text_is_tolerated_by_somebody,
    review.scanners_are_a_mix,
)

__all__ = ["RULES", "Rule", "World"]
