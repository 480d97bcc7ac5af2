//! A server that does as it is told, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::sleep;

#[derive(Clone, Default)]
pub(crate) struct Stub {
    pub(crate) state: Arc<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) opened: AtomicUsize,
    pub(crate) open: AtomicUsize,
    pub(crate) most_open: AtomicUsize,
    pub(crate) connecting: AtomicUsize,
    pub(crate) most_connecting: AtomicUsize,
    pub(crate) tested: AtomicUsize,
    pub(crate) refuses: AtomicBool,
    /// So many looks at a connection panic.
    pub(crate) panics: AtomicUsize,
    /// The connection with this number is broken.
    pub(crate) breaks: AtomicUsize,
    /// Connections and tests never end.
    pub(crate) hangs: AtomicBool,
    /// A test takes so long, in milliseconds.
    pub(crate) test_millis: AtomicUsize,
    /// Connecting takes so long, in milliseconds.
    pub(crate) connect_millis: AtomicUsize,
}

/// One connection; `number` counts from 1.
pub(crate) struct Connection {
    pub(crate) number: usize,
    pub(crate) is_broken: bool,
    /// This one hangs, whatever others do.
    pub(crate) hangs: bool,
    state: Arc<State>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.state.open.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl bb8::ManageConnection for Stub {
    type Connection = Connection;
    type Error = &'static str;

    async fn connect(&self) -> Result<Connection, &'static str> {
        let state = &self.state;
        let connecting = state.connecting.fetch_add(1, Ordering::SeqCst) + 1;
        let _connecting = Counted(&state.connecting);
        state
            .most_connecting
            .fetch_max(connecting, Ordering::SeqCst);
        let millis = state.connect_millis.load(Ordering::SeqCst);
        if millis > 0 {
            sleep(Duration::from_millis(millis.try_into().unwrap_or(u64::MAX))).await;
        }
        while state.hangs.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(1)).await;
        }
        if state.refuses.load(Ordering::SeqCst) {
            return Err("connection refused");
        }
        let open = state.open.fetch_add(1, Ordering::SeqCst) + 1;
        state.most_open.fetch_max(open, Ordering::SeqCst);
        Ok(Connection {
            number: state.opened.fetch_add(1, Ordering::SeqCst) + 1,
            is_broken: false,
            hangs: false,
            state: Arc::clone(state),
        })
    }

    async fn is_valid(&self, connection: &mut Connection) -> Result<(), &'static str> {
        self.state.tested.fetch_add(1, Ordering::SeqCst);
        while connection.hangs || self.state.hangs.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(1)).await;
        }
        let millis = self.state.test_millis.load(Ordering::SeqCst);
        sleep(Duration::from_millis(millis.try_into().unwrap_or(u64::MAX))).await;
        tokio::task::yield_now().await;
        Ok(())
    }

    #[expect(clippy::panic, reason = "a manager with a bug")]
    fn has_broken(&self, connection: &mut Connection) -> bool {
        let one_less = |panics: usize| panics.checked_sub(1);
        let panics = &self.state.panics;
        let left = panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        if left.is_ok() {
            panic!("the manager has a bug");
        }
        connection.is_broken || connection.number == self.state.breaks.load(Ordering::SeqCst)
    }
}

impl Stub {
    pub(crate) fn count(&self, of: impl Fn(&State) -> &AtomicUsize) -> usize {
        of(&self.state).load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) -> usize {
        self.count(|state| &state.open)
    }
}
