//! A body is read until it is whole, or found to be not for storing: then it is passed on, with
//! what was read of it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::timeout;

use super::body::{Begun, CachedBody};

/// What was read.
pub(super) enum Gathered<B: Body> {
    Whole(Bytes),
    Passed(CachedBody<B>),
}

/// Reads up to `limit` bytes for so long.
pub(super) async fn gather<B>(body: B, limit: usize, patience: Duration) -> Gathered<B>
where
    B: Body<Data = Bytes>,
{
    if body.size_hint().lower() > limit as u64 {
        return Gathered::Passed(CachedBody::passed(body));
    }
    let mut rest = Box::pin(body);
    let mut read = VecDeque::new();
    // Cancel safety: what is read is kept outside.
    let ended = timeout(patience, fill(rest.as_mut(), &mut read, limit)).await;
    let failed = match ended {
        Ok(End::Whole) => return Gathered::Whole(joined(read)),
        Ok(End::Failed(error)) => Some(error),
        Ok(End::NotStored) | Err(_) => None,
    };
    let rest = failed.is_none().then_some(rest);
    Gathered::Passed(CachedBody::begun(Begun { read, failed, rest }))
}

enum End<E> {
    Whole,
    /// Longer than what is stored, or with trailers.
    NotStored,
    Failed(E),
}

async fn fill<B>(
    mut body: Pin<&mut B>,
    read: &mut VecDeque<Frame<Bytes>>,
    limit: usize,
) -> End<B::Error>
where
    B: Body<Data = Bytes>,
{
    let mut len = 0_usize;
    loop {
        match poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            None => return End::Whole,
            Some(Err(error)) => return End::Failed(error),
            Some(Ok(frame)) => {
                let data = frame.data_ref().map(Bytes::len);
                read.push_back(frame);
                len = len.saturating_add(data.unwrap_or(usize::MAX));
                if len > limit {
                    return End::NotStored;
                }
            }
        }
    }
}

/// In memory of its own: what was read may be parts of larger buffers.
fn joined(read: VecDeque<Frame<Bytes>>) -> Bytes {
    let parts: Vec<Bytes> = read
        .into_iter()
        .filter_map(|frame| frame.into_data().ok())
        .collect();
    Bytes::from(parts.concat())
}
