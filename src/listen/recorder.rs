//! The head of a request as it came over the wire: hyper gives names in lower case and in no order.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most of a head that is kept; hyper refuses longer ones.
const MOST: usize = 512 * 1024;

/// What a connection has sent up to its first blank line, put into the extensions of its request.
#[derive(Debug, Clone, Default)]
pub struct RawHead(Arc<Mutex<Vec<u8>>>);

impl RawHead {
    /// The request line and the header lines, with the blank line behind them.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let kept = self.kept();
        let end = end_of_head(&kept).unwrap_or(kept.len());
        kept[..end].to_vec()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        // Bytes are appended in one piece.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_in(&self, bytes: &[u8]) {
        let mut kept = self.kept();
        if kept.len() < MOST && end_of_head(&kept).is_none() {
            kept.extend_from_slice(bytes);
        }
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
        self.head.take_in(&buf.filled()[before..]);
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
