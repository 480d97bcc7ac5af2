//! One connection, from a handshake to its end. fred reconnects nothing here: a connection that
//! ends is given up with all that waits in it, and another is made. So nothing is sent twice,
//! nothing queues for a server that is away, and a hung server cannot keep anybody waiting.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::{ClientLike as _, EventInterface as _, PubsubInterface as _};
use fred::types::config::{ConnectionConfig, PerformanceConfig};
use fred::types::{Builder, ClusterHash, CustomCommand, Message, Value};
use futures_util::future::join_all;
use tokio::sync::broadcast::Receiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::url::Target;
use crate::{Call, Error, Reply, Script};

/// Messages that wait for the task that hands them on. fred keeps eight queues of that size, and
/// pays for them at once: some 150 bytes a place.
const MESSAGES: usize = 8_192;

pub(crate) struct Session {
    client: Client,
    task: JoinHandle<Result<(), fred::error::Error>>,
    /// Nothing is ever sent: that it is dropped is what a [`Wire`] hears.
    alive: watch::Sender<()>,
}

impl Session {
    /// Connects and authenticates.
    pub(crate) async fn open(target: &Target, role: Role, within: Duration) -> Result<Self, Error> {
        let connection = ConnectionConfig {
            connection_timeout: within,
            internal_command_timeout: within,
            max_command_attempts: 1,
            max_command_buffer_len: 10_000,
            ..ConnectionConfig::default()
        };
        let performance = PerformanceConfig {
            broadcast_channel_capacity: match role {
                Role::Data => 8,
                Role::Subscriber => MESSAGES,
            },
            ..PerformanceConfig::default()
        };
        let client = Builder::from_config(target.config.clone())
            .set_connection_config(connection)
            .set_performance_config(performance)
            .build()
            .map_err(|error| lost(&error))?;
        let task = client.connect();
        let alive = watch::Sender::new(());
        let mut session = Self {
            client,
            task,
            alive,
        };
        let connected = async {
            tokio::select! {
                connected = session.client.wait_for_connect() => connected.map_err(|error| lost(&error)),
                ended = &mut session.task => Err(end(ended)),
            }
        };
        match timeout(within, connected).await {
            Ok(connected) => connected.map(|()| session),
            Err(_) => Err(Error::lost("no connection in time")),
        }
    }

    pub(crate) fn wire(&self) -> Wire {
        Wire {
            client: self.client.clone(),
            alive: self.alive.subscribe(),
        }
    }

    /// Why it ended, once it has.
    pub(crate) async fn ended(&mut self) -> Error {
        end((&mut self.task).await)
    }

    pub(crate) fn messages(&self) -> Receiver<Message> {
        self.client.message_rx()
    }

    /// Sent, that is: what comes through it tells whether it was done.
    pub(crate) async fn subscribe(&self, channel: &str) -> Result<(), Error> {
        self.client
            .subscribe(channel.to_owned())
            .await
            .map_err(|error| lost(&error))
    }

    pub(crate) async fn unsubscribe(&self, channel: &str) -> Result<(), Error> {
        self.client
            .unsubscribe(channel.to_owned())
            .await
            .map_err(|error| lost(&error))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Whoever waits for an answer of it hears that it is lost.
        self.task.abort();
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    Data,
    Subscriber,
}

/// What calls are sent over. It may outlive its session, and is of no use then.
#[derive(Clone)]
pub(crate) struct Wire {
    client: Client,
    alive: watch::Receiver<()>,
}

impl Wire {
    pub(crate) fn ask(&self, call: Call) -> impl Future<Output = Result<Reply, Error>> + Send {
        let command = CustomCommand::new_static(call.command, ClusterHash::FirstKey, false);
        let args = call.args.into_iter().map(Value::Bytes).collect();
        let mut alive = self.alive.clone();
        async move {
            let asked = self.client.custom_raw::<Value>(command, args);
            let frame = tokio::select! {
                biased;
                frame = asked => frame.map_err(|error| lost(&error))?,
                // fred keeps what was queued when its task had ended, for a task that never comes.
                _ = alive.changed() => return Err(Error::lost("the connection was closed")),
            };
            Reply::read(frame).map_err(|text| Error::Replied(text.into()))
        }
    }

    /// In one round trip: each is queued before any is answered.
    pub(crate) async fn ask_all(&self, calls: Vec<Call>) -> Result<Vec<Reply>, Error> {
        let replies = join_all(calls.into_iter().map(|call| self.ask(call))).await;
        replies.into_iter().collect()
    }

    pub(crate) async fn run(&self, script: &Script, call: Call) -> Result<Reply, Error> {
        match self.ask(call.clone()).await {
            Err(error) if error.code() == Some("NOSCRIPT") => self.ask(script.in_full(call)).await,
            result => result,
        }
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        self.ask(Call::read("PING")).await.map(drop)
    }

    pub(crate) fn publish(
        &self,
        channel: &str,
        message: Bytes,
    ) -> impl Future<Output = Result<Reply, Error>> + Send {
        self.ask(Call::read("PUBLISH").arg(channel).bytes(message))
    }
}

fn end(ended: Result<Result<(), fred::error::Error>, tokio::task::JoinError>) -> Error {
    match ended {
        Ok(Err(error)) => lost(&error),
        Ok(Ok(())) | Err(_) => Error::lost("the connection was closed"),
    }
}

/// What fred says of a server's words it has read itself, in the handshake for one, is one of
/// ours again: it begins with a code.
fn lost(error: &fred::error::Error) -> Error {
    let details = error.details();
    let replied = Error::Replied(details.into());
    match replied.class() {
        crate::Class::Data => Error::lost(details),
        _ => replied,
    }
}
