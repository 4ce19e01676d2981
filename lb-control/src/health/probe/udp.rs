//! Whether a datagram is answered.
//!
//! No counterpart in the patent.
//! Easy to get wrong: silence is no answer. A port that is closed says so by ICMP at once, but a server that is gone
//! says nothing, so without an answer there is nothing to go by.

use std::net::SocketAddr;

use tokio::net::UdpSocket;

use super::super::outcome::Cause;
use super::{Answer, anywhere, failed};

/// Octets of an answer that are looked at.
const LONGEST: usize = 4096;

/// Sends `send`, and takes the first datagram that comes back for the answer, which must hold `expect`.
pub(super) async fn ask(to: SocketAddr, send: &[u8], expect: &[u8]) -> Answer {
    let socket = UdpSocket::bind(anywhere(to)).await?;
    socket.connect(to).await?;
    socket.send(send).await?;
    let mut answer = vec![0; LONGEST];
    let length = socket.recv(&mut answer).await?;
    let answer = answer.get(..length).unwrap_or_default();
    let is_expected = expect.is_empty() || answer.windows(expect.len()).any(|part| part == expect);
    if is_expected {
        Ok(format!("answered {length} octets"))
    } else {
        let said = format!("{length} octets without what was expected");
        failed(Cause::Unexpected, said)
    }
}
