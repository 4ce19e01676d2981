//! What is announced to routers.
//!
//! No counterpart in the patent.
//! Easy to get wrong: 0 is no fault by itself; somebody may have switched the VIP off.

use super::page::{Page, labels};
use super::switch::truth;
use crate::api::App;

pub(super) fn add(page: &mut Page, app: &App) {
    let told = app.advertiser.view();
    let vips = told
        .vips
        .iter()
        .map(|vip| (labels([("vip", &vip.address)]), truth(vip.is_advertised)));
    page.gauge(
        "lb_vip_advertised",
        "Whether routing daemons are told of a VIP.",
        vips,
    );
    page.count(
        "lb_vip_announcements_total",
        "Times that a VIP was announced.",
        told.announcements,
    );
    page.count(
        "lb_vip_withdrawals_total",
        "Times that a VIP was withdrawn.",
        told.withdrawals,
    );
}
