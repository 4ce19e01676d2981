//! Whether a name server answers, and how.
//!
//! No counterpart in the patent. RFC 1035, section 4.1: one question over UDP. Of the answer its header and the
//! question repeated in it are looked at; that is enough to tell a server that answers from one that does not, and
//! leaves nothing to parse that somebody could make up.
//! Easy to get wrong: an answer counts only with the number of our question. A late one to the check before is none.

use std::net::SocketAddr;

use lb_core::config::{Rcode, Record};
use tokio::net::UdpSocket;

use super::super::outcome::Cause;
use super::{Answer, anywhere, failed, token};

const HEADER: usize = 12;
/// Recursion desired.
const ASKS: [u8; 2] = [0x01, 0x00];
/// In the third octet: it is an answer.
const IS_ANSWER: u8 = 0x80;
const INTERNET: u16 = 1;
const NXDOMAIN: u8 = 3;
const REFUSED: u8 = 5;

/// Asks for records of a name.
pub(super) async fn ask(to: SocketAddr, name: &[String], record: Record, wanted: Rcode) -> Answer {
    let [a, b, ..] = token().to_be_bytes();
    let question = question([a, b], name, record);
    let socket = UdpSocket::bind(anywhere(to)).await?;
    socket.connect(to).await?;
    socket.send(&question).await?;
    let mut packet = [0; 1500];
    loop {
        let length = socket.recv(&mut packet).await?;
        let packet = packet.get(..length).unwrap_or_default();
        if let Some(said) = Said::of(packet, &question) {
            return said.judge(wanted);
        }
    }
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    rcode: u8,
    records: u16,
}

impl Said {
    /// Reads an answer to `question`; `None` where it is none.
    fn of(packet: &[u8], question: &[u8]) -> Option<Self> {
        let &[a, b, high, low, q0, q1, n0, n1, ..] = packet.first_chunk::<HEADER>()?;
        let is_ours = question.starts_with(&[a, b]) && high & IS_ANSWER != 0;
        // A server that refuses may leave the question out.
        let repeats = match u16::from_be_bytes([q0, q1]) {
            0 => low & 0xf != 0,
            _ => {
                let asked = question.get(HEADER..)?;
                let repeated = packet.get(HEADER..)?.get(..asked.len())?;
                repeated.eq_ignore_ascii_case(asked)
            }
        };
        (is_ours && repeats).then_some(Self {
            rcode: low & 0xf,
            records: u16::from_be_bytes([n0, n1]),
        })
    }

    fn judge(&self, wanted: Rcode) -> Answer {
        let Self { rcode, records } = *self;
        let said = format!("answered {} with {records} record(s)", word(rcode));
        let is_wanted = match wanted {
            Rcode::Any => true,
            Rcode::Noerror => rcode == 0 && records > 0,
            Rcode::Nxdomain => rcode == NXDOMAIN,
            Rcode::Refused => rcode == REFUSED,
        };
        if is_wanted {
            Ok(said)
        } else {
            failed(Cause::Unexpected, said)
        }
    }
}

fn question(number: [u8; 2], name: &[String], record: Record) -> Vec<u8> {
    let mut packet = [&number[..], &ASKS, &[0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name {
        packet.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        packet.extend(label.bytes());
    }
    packet.push(0);
    packet.extend(number_of(record).to_be_bytes());
    packet.extend(INTERNET.to_be_bytes());
    packet
}

const fn number_of(record: Record) -> u16 {
    match record {
        Record::A => 1,
        Record::Ns => 2,
        Record::Cname => 5,
        Record::Soa => 6,
        Record::Ptr => 12,
        Record::Mx => 15,
        Record::Txt => 16,
        Record::Aaaa => 28,
        Record::Srv => 33,
    }
}

fn word(rcode: u8) -> String {
    match rcode {
        0 => "noerror".to_owned(),
        1 => "formerr".to_owned(),
        2 => "servfail".to_owned(),
        NXDOMAIN => "nxdomain".to_owned(),
        4 => "notimp".to_owned(),
        REFUSED => "refused".to_owned(),
        other => format!("code {other}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name() -> Vec<String> {
        ["www", "Example", "org"].map(str::to_owned).into()
    }

    /// Octet for octet as RFC 1035, sections 4.1.1 and 4.1.2, lay it out.
    const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07Example\x03org\x00\x00\x1c\x00\x01";

    #[test]
    fn a_question_is_laid_out_as_the_rfc_says() {
        assert_eq!(question([0x12, 0x34], &name(), Record::Aaaa), QUESTION);
        let root = question([0, 1], &[], Record::Ns);
        assert_eq!(root[HEADER..], [0, 0, 2, 0, 1]);
    }

    /// An answer with these flags, records and the question as servers repeat it.
    fn answer(flags: [u8; 2], records: u8) -> Vec<u8> {
        let mut answer = QUESTION.to_ascii_lowercase();
        answer[2..4].copy_from_slice(&flags);
        answer[7] = records;
        answer.extend(b"\xc0\x0c\x00\x1c\x00\x01\x00\x00\x00\x3c\x00\x10");
        answer
    }

    #[test]
    fn an_answer_says_its_code_and_how_many_records_it_has() {
        let said = Said::of(&answer([0x81, 0x80], 2), QUESTION).unwrap();
        assert_eq!(
            said,
            Said {
                rcode: 0,
                records: 2
            }
        );
        let said = Said::of(&answer([0x81, 0x83], 0), QUESTION).unwrap();
        assert_eq!(said.rcode, NXDOMAIN);
        assert!(said.judge(Rcode::Nxdomain).is_ok() && said.judge(Rcode::Any).is_ok());
        assert!(said.judge(Rcode::Noerror).is_err() && said.judge(Rcode::Refused).is_err());
    }

    #[test]
    fn what_does_not_answer_our_question_is_no_answer() {
        assert_eq!(Said::of(QUESTION, QUESTION), None, "the question itself");
        let mut other_number = answer([0x81, 0x80], 1);
        other_number[0] = 0;
        let mut other_name = answer([0x81, 0x80], 1);
        other_name[HEADER + 1] = b'x';
        for packet in [
            other_number,
            other_name,
            answer([0x81, 0x80], 1)[..20].to_vec(),
        ] {
            assert_eq!(Said::of(&packet, QUESTION), None);
        }
        // A server that refuses may leave the question out; one that says yes may not.
        let bare = |low| [0x12, 0x34, 0x81, low, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(Said::of(&bare(0x85), QUESTION).is_some());
        assert_eq!(Said::of(&bare(0x80), QUESTION), None);
    }

    #[test]
    fn no_error_without_a_record_is_not_what_was_asked_for() {
        let said = |records| Said { rcode: 0, records };
        assert!(said(1).judge(Rcode::Noerror).is_ok());
        assert!(said(0).judge(Rcode::Noerror).is_err());
    }

    proptest! {
        #[test]
        fn nothing_that_comes_back_does_harm(packet in prop::collection::vec(any::<u8>(), 0..64)) {
            Said::of(&packet, &question([0, 0], &name(), Record::A));
        }
    }
}
