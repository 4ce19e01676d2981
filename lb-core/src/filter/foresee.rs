//! Packets that no connection claims: what most of them will need is asked for, for a whole burst at a time.
//!
//! WO 00/30294, Fig. 6, before steps 206 to 218. A new flow needs its service, the service's scheduler and counters, a
//! backend, and the bucket of the backend's answers, each found in the one before. With a thousand services none of them is
//! near; so all packets take one step before any takes the next.
//! Not here: what is decided (`admit`, `select`).
//! Easy to get wrong: nothing is decided here but the backend, whose turn it is then; a packet that opens nothing after all
//! has passed over a turn. And prefetches that follow each other too closely are dropped: a step that only asked for the
//! buckets of answers, behind the one that picks, made new flows a tenth slower.

use crate::config::ServiceView;
use crate::flow::{FlowKey, Protocol};
use crate::id::BackendSlot;
use crate::packet::Packet;
use crate::shared::prefetch::{prefetch_read, prefetch_whole};

use super::flight::{Batch, Places};
use super::rewrite::Family;
use super::select::{reverse_key, tuple};
use super::{BURST, Own, Scene};

/// What was found out about a packet that no connection claims.
#[derive(Clone, Copy, Default)]
pub(super) struct Foreseen<'a> {
    /// The service that it is for.
    pub(super) service: Option<&'a ServiceView>,
    /// The backend that it would open a connection with, if it may.
    pub(super) backend: Option<BackendSlot>,
}

impl<P: Packet> Own<P> {
    /// Looks ahead for the packets in these places.
    pub(super) fn foresee<'a, const W: usize>(
        &mut self,
        scene: Scene<'a>,
        batch: &Batch<W>,
        unknown: Places,
    ) -> [Foreseen<'a>; BURST]
    where
        FlowKey<W>: Family<W>,
    {
        let mut all = [Foreseen::default(); BURST];
        for at in unknown {
            let service = scene.distribution.service_for(&batch.key(at));
            if let (Some(service), Some(foreseen)) = (service, all.get_mut(at)) {
                prefetch_whole(service);
                foreseen.service = Some(service);
            }
        }
        let with_service = |all: &[Foreseen<'a>; BURST], at: usize| all.get(at)?.service;
        for at in unknown {
            if let Some(service) = with_service(&all, at) {
                self.prefetch_for(service);
            }
        }
        let table = FlowKey::<W>::table(scene.tables);
        for at in unknown {
            if let Some(service) = with_service(&all, at)
                && (service.protocol == Protocol::Udp || batch.flags(at).is_opening())
                && let Some(foreseen) = all.get_mut(at)
            {
                let key = batch.key(at);
                foreseen.backend = self.pick(scene, service, &tuple(&key, service.protocol));
                let backend = foreseen
                    .backend
                    .and_then(|slot| scene.distribution.backend(slot));
                let reverse = backend.and_then(|it| reverse_key(&key, service.forwarding, it));
                if let Some(reverse) = reverse {
                    table.prefetch_bucket(table.hash(&reverse));
                }
            }
        }
        all
    }

    /// Starts to bring what a pick reads, and what a new connection counts.
    #[inline(always)]
    fn prefetch_for(&self, service: &ServiceView) {
        prefetch_read(service.scheduler.as_ref());
        if let Some(turn) = self.turns.get(service.slot.0 as usize) {
            prefetch_read(turn);
        }
        if let Some(counters) = self.counters.service(service.slot) {
            prefetch_read(counters);
        }
    }
}
