//! The head of a request as it came over the wire: hyper gives names in lower case and in no order.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most of a head that is kept; hyper refuses longer ones.
const MOST: usize = 512 * 1024;

/// What a connection has sent up to the blank line behind its first request's headers, put into the
/// extensions of that request.
#[derive(Debug, Clone, Default)]
pub struct RawHead(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// Where the head ends, once that has been read.
    end: Option<usize>,
}

impl Kept {
    fn take_in(&mut self, bytes: &[u8]) {
        if self.end.is_some() || self.bytes.len() >= MOST {
            return;
        }
        // Blank lines before the request line are passed over, as hyper does (RFC 9112 section 2.2).
        let blank = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let skipped =
            if self.bytes.is_empty() { bytes.iter().take_while(|byte| blank(byte)).count() } else { 0 };
        // A blank line may have begun in what came before.
        let from = self.bytes.len().saturating_sub(3);
        self.bytes.extend_from_slice(&bytes[skipped..]);
        self.end = end_of_head(&self.bytes[from..]).map(|end| from + end);
    }
}

impl RawHead {
    /// The request line and the header lines, with the blank line behind them.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let kept = self.kept();
        kept.bytes[..kept.end.unwrap_or(kept.bytes.len())].to_vec()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Bytes are appended in one piece.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let after =
        |blank: &[u8]| bytes.windows(blank.len()).position(|at| at == blank).map(|at| at + blank.len());
    match (after(b"\r\n\r\n"), after(b"\n\n")) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A stream that keeps the head of what is read from it.
pub(super) struct Recorder<I> {
    pub(super) inner: I,
    pub(super) head: RawHead,
}

impl<I: AsyncRead + Unpin> AsyncRead for Recorder<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.head.kept().take_in(&buf.filled()[before..]);
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Recorder<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(pieces: &[&[u8]]) -> String {
        let head = RawHead::default();
        for piece in pieces {
            head.kept().take_in(piece);
        }
        String::from_utf8(head.bytes()).unwrap()
    }

    #[test]
    fn a_head_begins_with_the_request_line_and_ends_with_the_blank_line() {
        assert_eq!(
            head(&[b"\r\n\r", b"\n\nGET / HTTP/1.1\r\nA: b\r\n\r\nbody"]),
            "GET / HTTP/1.1\r\nA: b\r\n\r\n"
        );
        assert_eq!(head(&[b"GET / HTTP/1.1\n\nbody\r\n\r\n"]), "GET / HTTP/1.1\n\n");
        assert_eq!(head(&[b"GET / HT"]), "GET / HT");
    }

    proptest! {
        #[test]
        fn how_it_was_cut_into_pieces_makes_no_difference(text in "[\r\n]{0,3}GET /[a\r\n]{0,12}", cut in 1usize..6) {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            prop_assert_eq!(head(&pieces), head(&[text.as_bytes()]));
        }
    }
}
