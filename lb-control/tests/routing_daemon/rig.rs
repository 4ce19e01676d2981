//! The daemon at work, and what it has published last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lb_control::control::Busy;
use lb_control::routing_daemon::{self, Doubt, Figures, News, Parts, RECEIVE_BUFFER, Status};
use lb_control::supervisor::Supervisor;
use lb_core::config::KernelNetwork;
use lb_core::id::PortId;
use parking_lot::{Condvar, Mutex};

/// Longer than anything here takes on any machine.
const LONG: Duration = Duration::from_secs(60);

pub(crate) const PORT_A: PortId = PortId(0);
pub(crate) const PORT_B: PortId = PortId(1);

#[derive(Default)]
struct Seen {
    network: Arc<KernelNetwork>,
    count: usize,
    news: Vec<News>,
    log: Vec<String>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
    devices: Mutex<Vec<(PortId, String)>>,
    refusals: Mutex<usize>,
}

/// A supervised daemon in this thread's namespace.
pub(crate) struct Rig {
    shared: Arc<Shared>,
    status: Arc<Status>,
    _supervisor: Supervisor,
}

impl Rig {
    pub(crate) fn start() -> Self {
        Self::with(RECEIVE_BUFFER, 0)
    }

    /// With so many octets for messages, and a data path that is busy so many times.
    pub(crate) fn with(receive_buffer: usize, refusals: usize) -> Self {
        let shared = Arc::new(Shared::default());
        *shared.refusals.lock() = refusals;
        let names = [(PORT_A, "lb-a".to_owned()), (PORT_B, "lb-b".to_owned())];
        *shared.devices.lock() = names.to_vec();
        let status = Arc::new(Status::default());
        let [devices, publish, hear, tell] = std::array::from_fn(|_| Arc::clone(&shared));
        let parts = Parts {
            devices: Box::new(move || devices.devices.lock().clone()),
            publish: Box::new(move |network| {
                let mut left = publish.refusals.lock();
                if *left > 0 {
                    *left -= 1;
                    return Err(Busy);
                }
                let mut seen = publish.seen.lock();
                seen.network = Arc::clone(network);
                seen.count += 1;
                publish.changed.notify_all();
                Ok(())
            }),
            hear: Box::new(move |news| {
                hear.seen.lock().news.push(news);
                hear.changed.notify_all();
            }),
            tell: Box::new(move |line| tell.seen.lock().log.push(line)),
            status: Arc::clone(&status),
            receive_buffer,
        };
        let mut supervisor = Supervisor::new();
        supervisor.spawn(routing_daemon::task(parts)).unwrap();
        let rig = Self {
            shared,
            status,
            _supervisor: supervisor,
        };
        rig.until_any("the first picture");
        rig
    }

    /// The document names other interfaces now.
    pub(crate) fn set_devices(&self, devices: &[(PortId, &str)]) {
        let devices = devices
            .iter()
            .map(|(port, name)| (*port, (*name).to_owned()));
        *self.shared.devices.lock() = devices.collect();
    }

    fn until_any(&self, what: &str) {
        self.wait(what, |seen| seen.count > 0);
    }

    /// Waits for a picture like this; how long that took.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_there: impl Fn(&KernelNetwork) -> bool) -> Duration {
        self.wait(what, |seen| is_there(&seen.network))
    }

    /// Waits for news of a neighbor.
    #[track_caller]
    pub(crate) fn until_heard(&self, news: News) {
        self.wait(&format!("{news:?}"), |seen| seen.news.contains(&news));
    }

    #[track_caller]
    fn wait(&self, what: &str, is_there: impl Fn(&Seen) -> bool) -> Duration {
        let began = Instant::now();
        let mut seen = self.shared.seen.lock();
        while !is_there(&seen) {
            let late = self.shared.changed.wait_until(&mut seen, began + LONG);
            assert!(
                !late.timed_out(),
                "{what}: {:?}\n{:?}",
                seen.log,
                seen.network
            );
        }
        began.elapsed()
    }

    pub(crate) fn network(&self) -> Arc<KernelNetwork> {
        Arc::clone(&self.shared.seen.lock().network)
    }

    pub(crate) fn publications(&self) -> usize {
        self.shared.seen.lock().count
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.shared.seen.lock().log.clone()
    }

    pub(crate) fn figures(&self) -> Figures {
        self.status.figures()
    }

    /// Times that tables were read anew for this reason.
    pub(crate) fn resyncs(&self, doubt: Doubt) -> u64 {
        let at = Doubt::ALL.iter().position(|one| *one == doubt).unwrap();
        self.figures().resyncs[at]
    }
}
