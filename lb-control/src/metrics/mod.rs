//! Figures for Prometheus, and what the control side counts of itself.
//!
//! No counterpart in the patent. A page is made from scratch for each scrape, from counters that exist anyway; so
//! nothing is kept twice and nothing of a service that is gone stays behind. Names are `lb_<object>_<what>_<unit>`.
//! Cardinality is bounded: by ports, lcores, reasons and causes, which are few; and by [`BACKENDS_MAX`].
//! Easy to get wrong: a label whose values come from outside (paths, client addresses, certificate names) would let
//! anybody fill the collector's memory. There is none.

mod advertise;
mod control;
mod latency;
mod meters;
mod page;
mod routing;
mod services;
mod switch;

pub(crate) use latency::Latency;
pub(crate) use meters::Meters;

use crate::api::App;
use page::Page;

/// Content type of the page.
pub(crate) const CONTENT: &str = prometheus::TEXT_FORMAT;
/// Backends that have series of their own, in the order of the document. A gauge says how many have not.
pub const BACKENDS_MAX: usize = 5000;

/// The page as it is now.
pub(crate) fn page(app: &App) -> String {
    let mut page = Page::default();
    switch::add(&mut page, app);
    services::add(&mut page, app);
    advertise::add(&mut page, app);
    control::add(&mut page, app);
    routing::add(&mut page, app);
    page.text()
}
