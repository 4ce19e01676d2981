//! Worker lcores: threads of the EAL, each bound to its processor.
//!
//! WO 00/30294: a lcore is a switching processor 44; the main lcore is the control processor 42.
//! Here a closure is started on a worker lcore and waited for. What it does is the engine's affair.
//! Easy to get wrong: waiting for a lcore is a busy loop on the main lcore. Tell the closure to end
//! first, ask [`Handle::is_finished`] from time to time, and join when it says yes.

use std::any::Any;
use std::ffi::{c_int, c_uint, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use super::eal::Eal;
use super::errno::Errno;

/// An lcore, as the EAL's options number it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LcoreId(pub u32);

impl fmt::Display for LcoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Why nothing was started on an lcore.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The EAL was started without this lcore, or it is the main lcore.
    #[error("lcore {0} is no worker lcore: name it in the EAL's option -l, beside the main lcore")]
    NotAWorker(LcoreId),
    /// What was launched before still runs.
    #[error("lcore {0} still runs what was started on it before")]
    Busy(LcoreId),
    /// The thread behind the lcore did not take the message.
    #[error("lcore {lcore} cannot be started: {cause}")]
    Refused {
        /// The lcore.
        lcore: LcoreId,
        /// DPDK's cause.
        cause: Errno,
    },
}

/// Why a lcore's closure gave no result.
#[derive(Debug, thiserror::Error)]
#[error("the function on lcore {lcore} panicked: {message}")]
pub struct Panicked {
    /// The lcore; it waits again and can be launched anew.
    pub lcore: LcoreId,
    /// What the panic said.
    pub message: String,
}

/// A closure that runs, or ran, on a lcore. Dropping it lets the closure run on.
#[derive(Debug)]
pub struct Handle<T> {
    lcore: LcoreId,
    result: Receiver<Result<T, String>>,
    _up: Arc<()>,
    /// DPDK wants lcores launched and waited for from the main lcore.
    _main_lcore: PhantomData<*mut ()>,
}

type Task = Box<dyn FnOnce() + Send>;

/// Starts `work` on a worker lcore that waits.
///
/// # Errors
/// Nothing was started; `work` is dropped.
pub fn launch<T, F>(eal: &Eal, lcore: LcoreId, work: F) -> Result<Handle<T>, LaunchError>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    // DPDK does not look: it would write to the pipe of a thread that never was.
    if !eal.worker_lcores().contains(&lcore) {
        return Err(LaunchError::NotAWorker(lcore));
    }
    let (sender, result) = sync_channel(1);
    let task: Task = Box::new(move || {
        let outcome = catch_unwind(AssertUnwindSafe(work)).map_err(|payload| message(&*payload));
        // A handle that was dropped wants no result.
        let _ = sender.send(outcome);
    });
    let argument = Box::into_raw(Box::new(task));
    // SAFETY: `run` takes the box over, once; the lcore is a worker, and `Eal` shows that this is the
    // main lcore.
    let answer =
        unsafe { dpdk_sys::rte_eal_remote_launch(Some(run), argument.cast::<c_void>(), lcore.0) };
    match Errno::check(answer) {
        Ok(()) => Ok(Handle {
            lcore,
            result,
            _up: eal.share(),
            _main_lcore: PhantomData,
        }),
        Err(cause) => {
            // SAFETY: a launch that fails has not passed the box on.
            drop(unsafe { Box::from_raw(argument) });
            if cause.number() == libc::EBUSY {
                Err(LaunchError::Busy(lcore))
            } else {
                Err(LaunchError::Refused { lcore, cause })
            }
        }
    }
}

/// What DPDK calls on the lcore. The task catches its own panics, so nothing unwinds into C.
unsafe extern "C" fn run(argument: *mut c_void) -> c_int {
    // SAFETY: `launch` made the box and gave it up; DPDK calls once per launch.
    let task = unsafe { Box::from_raw(argument.cast::<Task>()) };
    task();
    0
}

/// What a panic said, if it was text.
fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    payload
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| "no text".to_owned())
}

/// True where the lcore has nothing to do.
pub(super) fn is_waiting(lcore: LcoreId) -> bool {
    let lcore: c_uint = lcore.0;
    // SAFETY: callers take the number from the EAL's own list.
    unsafe { dpdk_sys::shim_lcore_is_waiting(lcore) }
}

impl<T> Handle<T> {
    /// The lcore it runs on.
    #[must_use]
    pub fn lcore(&self) -> LcoreId {
        self.lcore
    }

    /// True once the closure has returned or panicked, or another one runs there already.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        is_waiting(self.lcore)
    }

    /// Waits, busily, until the closure has ended.
    ///
    /// # Errors
    /// The closure panicked.
    pub fn join(self) -> Result<T, Panicked> {
        // SAFETY: the lcore is a worker's, and the handle has not left the main lcore.
        let _zero = unsafe { dpdk_sys::rte_eal_wait_lcore(self.lcore.0) };
        let outcome = self
            .result
            .try_recv()
            .unwrap_or_else(|_| Err("no result".to_owned()));
        outcome.map_err(|message| Panicked {
            lcore: self.lcore,
            message,
        })
    }
}
