//! The master's rules in words.
//!
//! WO 00/30294, box 54; `docs/feedback.md` says more of each.
//! Easy to get wrong: a sentence says what the rule did to *this* backend in the last move, not what could be done
//! about it.

use lb_core::master::Rule;

/// What a rule says.
pub(super) const fn sentence(rule: Rule) -> &'static str {
    match rule {
        Rule::Configured => "it has its configured weight",
        Rule::Disabled => "it gets no new flows: disabled, draining, or configured with weight 0",
        Rule::Silent => "its agent is silent: the weight goes back to neutral",
        Rule::Blackout => "its agent has started lately: too few reports to be believed",
        Rule::Incomplete => "its reports lack what the algorithm needs",
        Rule::LittleEvidence => "too few requests so far to judge by",
        Rule::Implausible => "it reports less work than is possible: taken for silence",
        Rule::SlowStart => "it is new: its share grows slowly",
        Rule::FleetIdle => "all backends are idle: nothing moves",
        Rule::FleetHot => "it is hot, but so are the others: no reason to move",
        Rule::WrongDirection => "its estimate and its load point different ways: it stays",
        Rule::Relief => "it is full while others have room: it loses a little",
        Rule::Jump => "its strength has changed for good: what was known of it is forgotten",
        Rule::DeadBand => "it is close enough to its target: it stays",
        Rule::Step => "it wanted to move further than one step",
        Rule::Churn => "its move was made smaller, so that not too many flows change backends",
        Rule::Floor => "it would have less, but for the floor",
        Rule::Ceiling => "it would have more, but for the ceiling",
        Rule::Preferred => "it has the tags that the service names",
        Rule::Overflow => "it lacks the tags and takes what the preferred cannot",
        Rule::Standby => "it lacks the tags, and the preferred can cope",
    }
}
