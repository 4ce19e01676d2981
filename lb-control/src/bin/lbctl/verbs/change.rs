//! Verbs about the document: check, compare, put it in force, go back; and changes of one backend.
//!
//! No counterpart in the patent. Documents travel as they are; nothing is read or repaired on this side.
//! Easy to get wrong: after a change nothing may be said that the API did not answer.

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;

use hyper::Method;
use lb_control::view::{
    AdvertiseChange, AdvertiseState, BackendState, Checked, Patch, Rollback, Saved,
};

use super::Session;
use super::look::named;
use crate::client::Question;
use crate::failure::Failure;
use crate::options::{Advertise, BackendName};
use crate::show;

/// Longest document that the API takes, in octets.
const LONGEST_DOCUMENT: usize = 16 << 20;

impl Session<'_> {
    pub(super) fn config(&mut self) -> Result<(), Failure> {
        let answer = self.client.get("/v1/config")?;
        self.print_json(&answer.body)
    }

    pub(super) fn check(&mut self, file: &Path) -> Result<(), Failure> {
        let document = document(file)?;
        let answer = self.client.ask_about("/v1/config/check", document)?;
        self.print(&answer, |checked: &Checked, _| show::checked(checked))
    }

    pub(super) fn diff(&mut self, file: &Path) -> Result<(), Failure> {
        let answer = self.client.ask_about("/v1/config/diff", document(file)?)?;
        self.print(&answer, show::diff)
    }

    pub(super) fn apply(&mut self, file: &Path, if_revision: Option<u64>) -> Result<(), Failure> {
        let answer = self.client.ask(Question {
            method: Method::PUT,
            is_change: true,
            path: "/v1/config",
            body: Some(document(file)?),
            if_revision,
        })?;
        self.print(&answer, show::applied)
    }

    pub(super) fn rollback(&mut self, revision: u64) -> Result<(), Failure> {
        let body = json(&Rollback { revision })?;
        let answer = self.client.post("/v1/config/rollback", Some(body))?;
        self.print(&answer, show::applied)
    }

    pub(super) fn revisions(&mut self, revision: Option<u64>) -> Result<(), Failure> {
        match revision {
            None => {
                let answer = self.client.get("/v1/config/revisions")?;
                self.print(&answer, show::revisions)
            }
            Some(revision) => {
                let path = format!("/v1/config/revisions/{revision}");
                let answer = self.client.get(&path)?;
                self.print_json(&answer.body)
            }
        }
    }

    pub(super) fn save(&mut self) -> Result<(), Failure> {
        let answer = self.client.post("/v1/config/save", None)?;
        self.print(&answer, |saved: &Saved, _| {
            format!("written to {}\n", saved.path)
        })
    }

    pub(super) fn reload(&mut self) -> Result<(), Failure> {
        let answer = self.client.post("/v1/config/reload", None)?;
        self.print(&answer, show::applied)
    }

    pub(super) fn advertise(
        &mut self,
        what: Advertise,
        vip: Option<IpAddr>,
    ) -> Result<(), Failure> {
        let state = match what {
            Advertise::Status => {
                let answer = self.client.get("/v1/advertise")?;
                return self.print(&answer, |told, room| show::advertise(told, vip, room));
            }
            Advertise::On => AdvertiseState::On,
            Advertise::Off => AdvertiseState::Off,
        };
        let change = AdvertiseChange {
            state,
            vip: vip.map(|vip| vip.to_string()),
        };
        let answer = self.client.ask(Question {
            method: Method::PUT,
            is_change: true,
            path: "/v1/advertise",
            body: Some(json(&change)?),
            if_revision: None,
        })?;
        self.print(&answer, |told, room| show::advertise(told, vip, room))
    }

    pub(super) fn set_state(
        &mut self,
        backend: &BackendName,
        state: BackendState,
    ) -> Result<(), Failure> {
        let patch = Patch {
            state: Some(state),
            weight: None,
        };
        self.patch(backend, &patch)
    }

    pub(super) fn set_weight(&mut self, backend: &BackendName, weight: u32) -> Result<(), Failure> {
        let patch = Patch {
            weight: Some(weight),
            state: None,
        };
        self.patch(backend, &patch)
    }

    fn patch(&mut self, name: &BackendName, patch: &Patch) -> Result<(), Failure> {
        let body = json(patch)?;
        let BackendName { service, backend } = name;
        let answer = named(&self.client, service, Some(backend), |path| {
            self.client.ask(Question {
                method: Method::PATCH,
                is_change: true,
                path,
                body: Some(body),
                if_revision: None,
            })
        })?;
        self.print(&answer, show::applied)
    }
}

fn json(request: &impl serde::Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(request).map_err(|why| Failure::Usage(why.to_string()))
}

/// A document from a file, or from standard input for `-`.
fn document(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let most = LONGEST_DOCUMENT as u64 + 1;
    let read = if file == Path::new("-") {
        io::stdin().lock().take(most).read_to_end(&mut text)
    } else {
        File::open(file).and_then(|file| file.take(most).read_to_end(&mut text))
    };
    let path = file.display().to_string();
    match read {
        Ok(octets) if octets > LONGEST_DOCUMENT => Err(Failure::Usage(format!(
            "{path}: longer than the 16 MiB that a document may have"
        ))),
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::File { path, error }),
    }
}
