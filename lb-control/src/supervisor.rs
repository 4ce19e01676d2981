//! Supervisor: keeps the control side's tasks alive, each on a thread of its own.
//!
//! WO 00/30294 runs the control processor's programs beside each other; no counterpart for what happens when
//! one of them fails. A task that panics is caught, counted, and started again after a growing pause.
//! Threads inherit the CPU affinity of whoever calls [`Supervisor::spawn`]: the main lcore's.
//! Not here: what the tasks do; whether worker lcores are alive (`heartbeat`).
//! Easy to get wrong: what a task shares with others must be whole at every moment, for it may end between any two
//! steps. And a task must ask [`Life::is_over`] or [`Life::sleep`] often, or the program's end waits for it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::view;

/// Pause before the first restart; it doubles with every further one.
pub const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause before a restart.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A task that ran for so long has recovered: its next pause is the first one again.
pub const RECOVERED_AFTER: Duration = Duration::from_secs(60);
/// Characters of a panic's message that are kept.
const MESSAGE_MAX: usize = 300;

/// A named piece of work that goes on until it is told to end.
pub struct Task {
    name: String,
    work: Box<dyn FnMut(&Life) + Send>,
}

impl Task {
    /// A task; `work` is called again after a panic, or when it returned before its time.
    pub fn new(name: impl Into<String>, work: impl FnMut(&Life) + Send + 'static) -> Self {
        Self {
            name: name.into(),
            work: Box::new(work),
        }
    }
}

/// Whether the program goes on, shared by all tasks.
#[derive(Default)]
struct End {
    is_over: Mutex<bool>,
    changed: Condvar,
}

/// What is told of one task.
struct Note {
    state: view::TaskState,
    panics: u64,
    last_panic: Option<String>,
    beat: Instant,
}

struct Entry {
    name: String,
    note: Mutex<Note>,
}

/// A task's own view of its life.
pub struct Life {
    end: Arc<End>,
    entry: Arc<Entry>,
}

impl Life {
    /// Whether the program ends. Asking is a sign of life.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.beat();
        *self.end.is_over.lock()
    }

    /// Gives a sign of life.
    pub fn beat(&self) {
        self.entry.note.lock().beat = Instant::now();
    }

    /// Sleeps, but not beyond the program's end; whether the program goes on.
    #[must_use]
    pub fn sleep(&self, time: Duration) -> bool {
        self.beat();
        let goes_on = self.end.wait(Instant::now() + time);
        self.beat();
        goes_on
    }
}

impl End {
    /// Waits until then or the end; whether the program goes on.
    fn wait(&self, until: Instant) -> bool {
        let mut is_over = self.is_over.lock();
        while !*is_over {
            if self.changed.wait_until(&mut is_over, until).timed_out() {
                break;
            }
        }
        !*is_over
    }
}

/// What can be seen of all tasks; cheap to clone.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<Vec<Arc<Entry>>>>);

impl Board {
    /// All tasks, in the order in which they were started.
    #[must_use]
    pub fn tasks(&self) -> Vec<view::Task> {
        let entries = self.0.lock().clone();
        entries.iter().map(|entry| entry.view()).collect()
    }

    /// Counts a panic that a task has caught by itself, in a part of its work that it can do without.
    pub fn note_panic(&self, task: &str, message: String) {
        let entries = self.0.lock();
        if let Some(entry) = entries.iter().find(|entry| entry.name == task) {
            let mut note = entry.note.lock();
            note.panics += 1;
            note.last_panic = Some(message);
        }
    }
}

impl Entry {
    fn view(&self) -> view::Task {
        let note = self.note.lock();
        view::Task {
            name: self.name.clone(),
            state: note.state,
            panics: note.panics,
            last_panic: note.last_panic.clone(),
            heartbeat_age_seconds: note.beat.elapsed().as_secs_f64(),
        }
    }

    fn set(&self, state: view::TaskState) {
        let mut note = self.note.lock();
        note.state = state;
        note.beat = Instant::now();
    }

    fn note_panic(&self, message: String) {
        let mut note = self.note.lock();
        note.panics += 1;
        note.last_panic = Some(message);
        note.state = view::TaskState::Restarting;
    }
}

/// The one who starts tasks again. Dropping it ends them all and waits for them.
#[derive(Default)]
pub struct Supervisor {
    end: Arc<End>,
    board: Board,
    threads: Vec<JoinHandle<()>>,
}

impl Supervisor {
    /// A supervisor without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What can be seen of the tasks.
    #[must_use]
    pub fn board(&self) -> Board {
        self.board.clone()
    }

    /// Starts a task on a thread of its own.
    ///
    /// # Errors
    /// That of the system, which has no more threads.
    pub fn spawn(&mut self, task: Task) -> io::Result<()> {
        let entry = Arc::new(Entry {
            name: task.name,
            note: Mutex::new(Note {
                state: view::TaskState::Running,
                panics: 0,
                last_panic: None,
                beat: Instant::now(),
            }),
        });
        let life = Life {
            end: Arc::clone(&self.end),
            entry: Arc::clone(&entry),
        };
        // Linux keeps 15 octets of a thread's name.
        let thread = thread::Builder::new().name(format!("lb-{}", entry.name));
        self.threads
            .push(thread.spawn(move || supervise(&life, task.work))?);
        self.board.0.lock().push(entry);
        Ok(())
    }

    /// Tells every task to end, and waits until all have.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        *self.end.is_over.lock() = true;
        self.end.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A supervised thread catches every panic of its task, so there is nothing to hear from it.
            let _ = thread.join();
        }
    }
}

/// Calls the work until the end, with a pause after each time that it failed.
fn supervise(life: &Life, mut work: Box<dyn FnMut(&Life) + Send>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        life.entry.set(view::TaskState::Running);
        let outcome = catch_unwind(AssertUnwindSafe(|| work(life)));
        let message = match outcome {
            Err(payload) => words(payload.as_ref()),
            Ok(()) if life.is_over() => break,
            Ok(()) => "it ended by itself".to_owned(),
        };
        life.entry.note_panic(message);
        if began.elapsed() >= RECOVERED_AFTER {
            pause = FIRST_PAUSE;
        }
        if !life.end.wait(Instant::now() + pause) {
            break;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    life.entry.set(view::TaskState::Ended);
}

/// What a panic said.
pub(crate) fn words(payload: &(dyn Any + Send)) -> String {
    let said = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    said.unwrap_or("something that is not text")
        .chars()
        .take(MESSAGE_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_task_that_panics_is_counted_and_started_again() {
        let mut supervisor = Supervisor::new();
        let (sender, attempts) = channel();
        let mut left = 2;
        let work = move |life: &Life| {
            sender.send(()).unwrap();
            if left > 0 {
                left -= 1;
                panic!("attempt fails, {left} left");
            }
            while life.sleep(Duration::from_secs(3600)) {}
        };
        supervisor.spawn(Task::new("clumsy", work)).unwrap();
        for _ in 0..3 {
            attempts.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        let board = supervisor.board();
        let task = board.tasks().remove(0);
        assert_eq!((task.name.as_str(), task.panics), ("clumsy", 2));
        assert_eq!(task.last_panic.as_deref(), Some("attempt fails, 0 left"));
        supervisor.stop();
        assert_eq!(board.tasks()[0].state, view::TaskState::Ended);
    }

    #[test]
    fn one_tasks_panic_leaves_the_others_alone() {
        let mut supervisor = Supervisor::new();
        let (sender, beats) = channel();
        let (tell, told) = channel::<()>();
        let steady = move |life: &Life| {
            while !life.is_over() {
                if told.recv().is_err() || sender.send(()).is_err() {
                    return;
                }
            }
        };
        supervisor.spawn(Task::new("steady", steady)).unwrap();
        let (fell, has_fallen) = channel();
        let falls = move |_: &Life| {
            fell.send(()).unwrap();
            panic!("always");
        };
        supervisor.spawn(Task::new("falls", falls)).unwrap();
        has_fallen.recv_timeout(Duration::from_secs(60)).unwrap();
        has_fallen.recv_timeout(Duration::from_secs(60)).unwrap();
        tell.send(()).unwrap();
        beats.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(supervisor.board().tasks()[0].panics, 0);
        drop(tell);
    }

    #[test]
    fn a_task_that_returns_before_its_time_is_started_again() {
        let mut supervisor = Supervisor::new();
        let (sender, runs) = channel();
        let work = move |_: &Life| {
            let _ = sender.send(());
        };
        supervisor.spawn(Task::new("brief", work)).unwrap();
        runs.recv_timeout(Duration::from_secs(60)).unwrap();
        runs.recv_timeout(Duration::from_secs(60)).unwrap();
        let last = supervisor.board().tasks().remove(0).last_panic;
        assert_eq!(last.as_deref(), Some("it ended by itself"));
    }

    #[test]
    fn the_end_does_not_wait_for_a_pause() {
        let mut supervisor = Supervisor::new();
        let (sender, asleep) = channel();
        let work = move |life: &Life| {
            sender.send(()).unwrap();
            while life.sleep(Duration::from_secs(3600)) {}
        };
        supervisor.spawn(Task::new("sleeper", work)).unwrap();
        asleep.recv_timeout(Duration::from_secs(60)).unwrap();
        supervisor.stop();
    }
}
