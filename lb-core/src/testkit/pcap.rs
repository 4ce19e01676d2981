//! Capture files: the classic libpcap format, written and read.
//!
//! No counterpart in the patent. Little-endian, microseconds, link type Ethernet; what DPDK's `net_pcap`
//! reads and writes. Files are the caller's: here are only octets.
//! Easy to get wrong: a record's length on the wire may be greater than what was captured; a cut
//! record is an error here, for frames are to be compared whole.

/// Octets of the file header.
const FILE_HEADER: usize = 24;
/// Octets of a record's header.
const RECORD_HEADER: usize = 16;
const MAGIC: u32 = 0xa1b2_c3d4;
/// The same with nanoseconds.
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const ETHERNET: u32 = 1;
/// Longest frame that is written or read.
const MOST: u32 = 262_144;

/// Why a capture cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACapture {
    /// The file header is missing or another format's.
    #[error("no libpcap file of this machine's byte order")]
    Magic,
    /// The file ends inside a record.
    #[error("the file ends inside record {0}, counted from 1")]
    CutFile(usize),
    /// Not all of a frame was captured.
    #[error("record {0}, counted from 1, holds only a part of its frame")]
    CutFrame(usize),
}

/// A capture file with these frames, a millisecond apart.
#[must_use]
pub fn write<'f>(frames: impl IntoIterator<Item = &'f [u8]>) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [MAGIC, 4 << 16 | 2, 0, 0, MOST, ETHERNET] {
        file.extend(word.to_le_bytes());
    }
    for (number, frame) in (0u32..).zip(frames) {
        let len = u32::try_from(frame.len()).unwrap_or(MOST);
        for word in [number / 1000, number % 1000 * 1000, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// The frames of a capture file.
///
/// # Errors
/// [`NotACapture`].
pub fn read(file: &[u8]) -> Result<Vec<Vec<u8>>, NotACapture> {
    let is_ours = matches!(word(file, 0), Some(MAGIC | MAGIC_NANOSECONDS));
    if !is_ours || file.len() < FILE_HEADER {
        return Err(NotACapture::Magic);
    }
    let mut frames = Vec::new();
    let mut rest = file.get(FILE_HEADER..).unwrap_or_default();
    while !rest.is_empty() {
        let number = frames.len() + 1;
        let cut = NotACapture::CutFile(number);
        let captured = word(rest, 8).ok_or(cut)?;
        if word(rest, 12).ok_or(cut)? != captured {
            return Err(NotACapture::CutFrame(number));
        }
        let end = RECORD_HEADER + captured as usize;
        frames.push(rest.get(RECORD_HEADER..end).ok_or(cut)?.to_vec());
        rest = rest.get(end..).unwrap_or_default();
    }
    Ok(frames)
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    octets
        .get(at..)?
        .first_chunk()
        .map(|word| u32::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_frames_are_read_back() {
        let frames = [vec![1; 60], vec![2; 1514], Vec::new()];
        let file = write(frames.iter().map(Vec::as_slice));
        assert_eq!(read(&file), Ok(frames.to_vec()));
    }

    #[test]
    fn a_file_that_is_none_or_cut_is_an_error() {
        assert_eq!(read(b"no capture at all, surely"), Err(NotACapture::Magic));
        let file = write([&[7; 60][..]]);
        assert_eq!(read(&file[..file.len() - 1]), Err(NotACapture::CutFile(1)));
        let mut part = file;
        part[FILE_HEADER + 12] = 61;
        assert_eq!(read(&part), Err(NotACapture::CutFrame(1)));
    }
}
